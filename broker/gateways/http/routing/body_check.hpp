#pragma once

#include "broker/gateways/http/routing/route.hpp"

namespace millrace::broker::http {

/// Whether the query has only what the route knows, in the right form. Errors: invalid_argument.
[[nodiscard]] Result<void> check_query(const Route& route, const Target& target);
/// The body as JSON, with only what the route knows. Errors: malformed, invalid_argument.
[[nodiscard]] Result<Json> parse_body(const BodyRule& rule, std::string_view body);
/// Whether a text is what the field takes. Errors: invalid_argument.
[[nodiscard]] Result<void> check_text(const Field& field, std::string_view text);
/// JSON that is nested no deeper than the library can take. Errors: malformed.
[[nodiscard]] Result<Json> parse_json(std::string_view text);

}  // namespace millrace::broker::http
