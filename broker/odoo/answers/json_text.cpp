#include "broker/odoo/answers/json_text.hpp"

namespace millrace::broker::odoo {
namespace {

bool is_nested_too_deep(std::string_view text) {
    std::size_t level = 0;
    bool is_in_text = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (is_in_text) {
            at += c == '\\' ? 1 : 0;
            is_in_text = c != '"';
        } else if (c == '"') {
            is_in_text = true;
        } else if (c == '[' || c == '{') {
            if (++level > json_levels_max) {
                return true;
            }
        } else if (c == ']' || c == '}') {
            level -= level > 0 ? 1 : 0;
        }
    }
    return false;
}

}  // namespace

nlohmann::json parse_outside_json(std::string_view text) {
    if (is_nested_too_deep(text)) {
        return nlohmann::json(nlohmann::json::value_t::discarded);
    }
    return nlohmann::json::parse(text, nullptr, false);
}

std::string readable_text(std::string_view text, std::size_t bytes_max) {
    text = text.substr(0, bytes_max);
    const auto quoted =
        nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore);
    return nlohmann::json::parse(quoted).get<std::string>();
}

}  // namespace millrace::broker::odoo
