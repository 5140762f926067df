#include "broker/odoo/tools/field_compare.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string_view>

#include "broker/odoo/tools/html_text.hpp"

namespace millrace::broker::odoo {
namespace {

using Json = nlohmann::json;

constexpr double tolerance = 1e-6;  ///< Odoo rounds what it stores

bool is_empty(const Json& value) {
    return value.is_null() || value == false || value == Json("");
}

std::optional<double> number_of(const Json& value) {
    if (value.is_number()) {
        return value.get<double>();
    }
    if (is_empty(value)) {
        return 0;
    }
    if (!value.is_string()) {
        return std::nullopt;
    }
    const auto& text = value.get_ref<const std::string&>();
    double number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    return code == std::errc{} && end == text.data() + text.size() ? std::optional(number)
                                                                   : std::nullopt;
}

bool is_same_number(const Json& wanted, const Json& found) {
    const auto one = number_of(wanted);
    const auto other = number_of(found);
    return one && other && std::abs(*one - *other) <= tolerance * std::max(1.0, std::abs(*one));
}

bool is_set(const Json& value) {
    return value == true || value == Json("True") || value == Json("true") || value == Json("1");
}

/// "[CODE] Name" is how Odoo shows what is called Name, or by its code.
bool is_called(std::string_view shown, std::string_view name) {
    if (shown == name) {
        return true;
    }
    const auto end = shown.find("] ");
    return shown.starts_with('[') && end != std::string_view::npos &&
           (shown.substr(end + 2) == name || shown.substr(1, end - 1) == name);
}

bool is_same_relation(const WantedField& wanted, const Json& found, const FindId& find_id) {
    if (is_empty(wanted.value) || is_empty(found)) {
        return is_empty(wanted.value) == is_empty(found);
    }
    const auto id = found.is_array() && !found.empty() ? found[0] : found;
    if (wanted.column.ends_with("/id") && wanted.value.is_string()) {
        const auto known = find_id(wanted.value.get<std::string>());
        return known && id == *known;
    }
    if (wanted.value.is_number() || wanted.column.ends_with("/.id")) {
        return is_same_number(wanted.value, id);
    }
    const bool has_name = found.is_array() && found.size() == 2 && found[1].is_string();
    return has_name && wanted.value.is_string() &&
           is_called(found[1].get<std::string>(), wanted.value.get_ref<const std::string&>());
}

std::string html_of(const Json& value) {
    return is_empty(value) ? std::string()
                           : html_text(value.is_string() ? value.get<std::string>() : value.dump());
}

}  // namespace

std::string field_of(const std::string& column) {
    return column.substr(0, column.find('/'));
}

bool is_comparable(const std::string& type) {
    constexpr std::array<std::string_view, 11> types{"char",
                                                     "text",
                                                     "html",
                                                     "integer",
                                                     "float",
                                                     "monetary",
                                                     "boolean",
                                                     "date",
                                                     "datetime",
                                                     "selection",
                                                     "many2one"};
    return std::ranges::find(types, type) != types.end();
}

bool is_same(const WantedField& wanted,
             const std::string& type,
             const Json& found,
             const FindId& find_id) {
    if (type == "many2one") {
        return is_same_relation(wanted, found, find_id);
    }
    if (type == "integer" || type == "float" || type == "monetary") {
        return is_same_number(wanted.value, found);
    }
    if (type == "boolean") {
        return is_set(wanted.value) == is_set(found);
    }
    if (type == "html") {
        return html_of(wanted.value) == html_of(found);
    }
    if (is_empty(wanted.value)) {
        return is_empty(found);
    }
    return (wanted.value.is_string() ? wanted.value : Json(wanted.value.dump())) == found;
}

}  // namespace millrace::broker::odoo
