#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

namespace millrace::broker::odoo {

/// How deep JSON from outside may be nested: what walks it uses the stack, and jq stops at 256.
inline constexpr std::size_t json_levels_max = 200;

/// JSON from outside; discarded where it is none, or nested deeper than `json_levels_max`.
[[nodiscard]] nlohmann::json parse_outside_json(std::string_view text);
/// At most that many bytes of a text from outside, as UTF-8; what is none is left out.
[[nodiscard]] std::string readable_text(std::string_view text, std::size_t bytes_max);

}  // namespace millrace::broker::odoo
