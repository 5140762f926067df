#include "broker/odoo/answers/json_text.hpp"

#include <nlohmann/json.hpp>

namespace millrace::broker::odoo {

std::string readable_text(std::string_view text, std::size_t bytes_max) {
    text = text.substr(0, bytes_max);
    const auto quoted =
        nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore);
    return nlohmann::json::parse(quoted).get<std::string>();
}

}  // namespace millrace::broker::odoo
