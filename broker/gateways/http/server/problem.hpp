#pragma once

#include <nlohmann/json_fwd.hpp>

#include "broker/gateways/http/server/message.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::http {

/// The status that says what an error says.
[[nodiscard]] unsigned status_of(Errc code) noexcept;

/// An error as RFC 9457 has it: type, title, status and detail; beside them the broker's name of
/// the error, whether the same request may succeed later, and the limit where one was reached.
/// Where waiting helps, Retry-After says for how long.
[[nodiscard]] Response problem(const Error& error);
/// With another status than the error's own.
[[nodiscard]] Response problem(unsigned status, const Error& error);
/// The members alone.
[[nodiscard]] nlohmann::ordered_json problem_json(unsigned status, const Error& error);

}  // namespace millrace::broker::http
