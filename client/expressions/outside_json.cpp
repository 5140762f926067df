#include "client/expressions/outside_json.hpp"

namespace millrace::expressions {
namespace {

bool is_nested_too_deep(std::string_view text) {
    std::size_t level = 0;
    bool is_in_text = false;
    for (std::size_t at = 0; at < text.size() && level <= json_levels_max; ++at) {
        const char c = text[at];
        if (is_in_text) {
            at += c == '\\' ? 1 : 0;
            is_in_text = c != '"';
        } else if (c == '"') {
            is_in_text = true;
        } else if (c == '[' || c == '{') {
            ++level;
        } else if (c == ']' || c == '}') {
            level -= level > 0 ? 1 : 0;
        }
    }
    return level > json_levels_max;
}

}  // namespace

bool is_safe_to_parse(std::string_view text) {
    return text.find('\0') == std::string_view::npos && !is_nested_too_deep(text);
}

bool is_outside_json(std::string_view text) {
    return is_safe_to_parse(text) && nlohmann::json::accept(text);
}

}  // namespace millrace::expressions
