#pragma once

#include <cstddef>
#include <string_view>

#include <nlohmann/json.hpp>

namespace millrace::expressions {

/// How deep JSON from outside may be nested: what walks it uses the stack, and jq stops at 256.
inline constexpr std::size_t json_levels_max = 200;

/// Whether a JSON library may be given the text: no NUL, which it takes for the end of it, and
/// nested no deeper than `json_levels_max`.
[[nodiscard]] bool is_safe_to_parse(std::string_view text);

/// Whether a text from outside is JSON that may be parsed.
[[nodiscard]] bool is_outside_json(std::string_view text);

/// JSON from outside; discarded where it is none, or may not be parsed.
template <class Json = nlohmann::json>
[[nodiscard]] Json parse_outside_json(std::string_view text) {
    return is_safe_to_parse(text) ? Json::parse(text, nullptr, false)
                                  : Json(Json::value_t::discarded);
}

}  // namespace millrace::expressions
