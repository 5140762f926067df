#include "tests/stand_ins/odoo_sim/records/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <optional>

namespace millrace::stand_ins {
namespace {

constexpr double integer_max = 2147483647.0;
constexpr std::size_t date_chars = 10;
constexpr std::size_t datetime_chars = 19;

std::optional<double> number_of(const std::string& text) {
    double number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code != std::errc{} || end != text.data() + text.size() || !std::isfinite(number)) {
        return std::nullopt;
    }
    return number;
}

bool has_shape(const std::string& text, std::string_view shape) {
    return text.size() == shape.size() && std::ranges::equal(text, shape, [](char c, char wanted) {
               return wanted == '0' ? c >= '0' && c <= '9' : c == wanted;
           });
}

bool is_date(const std::string& text) {
    return has_shape(text, "0000-00-00");
}

Json convert_number(const std::string& name, const Field& field, const Json& value) {
    double number = 0;
    if (value.is_string()) {
        const auto parsed = number_of(value.get<std::string>());
        if (!parsed) {
            throw value_error("could not convert string to float: '" + value.get<std::string>() +
                              "'");
        }
        number = *parsed;
    } else if (value.is_number()) {
        number = value.get<double>();
    } else if (value == false || value.is_null()) {
        return field.type == FieldType::integer ? Json(0) : Json(0.0);
    } else if (!value.is_boolean()) {
        throw OdooError{"psycopg2.errors.InvalidTextRepresentation",
                        "invalid input syntax for type numeric: field " + name};
    }
    if (field.type == FieldType::real) {
        return number;
    }
    if (std::abs(number) > integer_max) {
        throw OdooError{"psycopg2.errors.NumericValueOutOfRange", "integer out of range"};
    }
    return static_cast<std::int64_t>(number);
}

Json convert_text(const std::string& name, const Json& value) {
    if (value == false || value.is_null()) {
        return false;
    }
    if (value.is_object() || value.is_array()) {
        throw OdooError{"psycopg2.errors.InvalidTextRepresentation",
                        "can't adapt a value of " + name};
    }
    auto text = value.is_string() ? value.get<std::string>() : value.dump();
    if (text.find('\0') != std::string::npos) {
        throw value_error("A string literal cannot contain NUL (0x00) characters.");
    }
    return text;
}

Json convert_time(const std::string& name, const Field& field, const Json& value) {
    if (value == false || value.is_null()) {
        return false;
    }
    if (!value.is_string()) {
        throw value_error("Invalid value for " + name);
    }
    const auto text = value.get<std::string>();
    if (!is_date(text) && !(field.type == FieldType::datetime && is_datetime(text))) {
        throw value_error("time data '" + text + "' does not match format '%Y-%m-%d %H:%M:%S'");
    }
    return text.size() == date_chars && field.type == FieldType::datetime ? text + " 00:00:00"
                                                                          : text;
}

}  // namespace

OdooError user_error(std::string message) {
    return {"odoo.exceptions.UserError", std::move(message)};
}
OdooError value_error(std::string message) {
    return {"builtins.ValueError", std::move(message)};
}
OdooError validation_error(std::string message) {
    return {"odoo.exceptions.ValidationError", std::move(message)};
}

bool is_datetime(const std::string& text) {
    static_assert(std::string_view("0000-00-00 00:00:00").size() == datetime_chars);
    return has_shape(text, "0000-00-00 00:00:00");
}

std::string in_utc(const std::string& datetime, std::chrono::minutes offset) {
    constexpr const char* shape = "%Y-%m-%d %H:%M:%S";
    std::tm parts{};
    (void)::strptime(datetime.c_str(), shape, &parts);
    const auto time = ::timegm(&parts) - std::chrono::seconds(offset).count();
    ::gmtime_r(&time, &parts);
    std::array<char, datetime_chars + 1> text{};
    (void)std::strftime(text.data(), text.size(), shape, &parts);
    return text.data();
}

Json convert_value(const std::string& name, const Field& field, const Json& value) {
    switch (field.type) {
        case FieldType::text:
            return convert_text(name, value);
        case FieldType::integer:
        case FieldType::real:
            return convert_number(name, field, value);
        case FieldType::boolean:
            return !(value == false || value.is_null() || value == 0 || value == Json(""));
        case FieldType::date:
        case FieldType::datetime:
            return convert_time(name, field, value);
        case FieldType::selection:
            if (value == false || value.is_null()) {
                return false;
            }
            if (!value.is_string() ||
                std::ranges::find(field.choices, value.get<std::string>()) == field.choices.end()) {
                throw value_error("Wrong value for " + name + ": " + value.dump());
            }
            return value;
        case FieldType::many2one:
            if (value == false || value.is_null()) {
                return false;
            }
            if (!value.is_number_integer()) {
                throw OdooError{"psycopg2.errors.InvalidTextRepresentation",
                                "invalid input syntax for type integer: " + value.dump()};
            }
            return value;
        case FieldType::one2many:
            return value;
    }
    return value;
}

Json convert_cell(const std::string& name, const Field& field, const std::string& cell) {
    const auto refuse = [&](const char* what) {
        return value_error("'" + cell + "' does not seem to be " + what + " for field '" +
                           field.label + "'");
    };
    if (cell.empty()) {
        return false;
    }
    const auto convert_number = [&] {
        const auto number = number_of(cell);
        const bool is_whole = number && std::floor(*number) == *number;
        if (!number || (field.type == FieldType::integer && !is_whole)) {
            throw refuse(field.type == FieldType::integer ? "an integer" : "a number");
        }
        return convert_value(name, field, *number);
    };
    switch (field.type) {
        case FieldType::integer:
        case FieldType::real:
            return convert_number();
        case FieldType::boolean:
            return cell == "True" || cell == "true" || cell == "1" || cell == "yes";
        case FieldType::date:
        case FieldType::datetime:
            if (!is_date(cell) && !is_datetime(cell)) {
                throw value_error("'" + cell +
                                  "' does not seem to be a valid datetime for field '" +
                                  field.label + "'. Use the format '2012-12-31 23:59:59'");
            }
            return convert_value(name, field, cell);
        case FieldType::selection:
            if (std::ranges::find(field.choices, cell) == field.choices.end()) {
                throw value_error("Value '" + cell + "' not found in selection field '" +
                                  field.label + "'");
            }
            return cell;
        default:
            return convert_value(name, field, cell);
    }
}

}  // namespace millrace::stand_ins
