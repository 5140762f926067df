#include "broker/gateways/http/routing/body_check.hpp"

#include <algorithm>
#include <charconv>

#include "client/expressions/outside_json.hpp"
#include "storage/base/text/time_headers.hpp"

namespace millrace::broker::http {
namespace {

constexpr int depth_max = expressions::json_levels_max;

std::string listed(const std::vector<std::string_view>& words) {
    std::string list;
    for (const auto& word : words) {
        list += (list.empty() ? "" : ", ") + std::string(word);
    }
    return list;
}

std::string names_of(const std::vector<Field>& fields) {
    std::vector<std::string_view> names;
    std::ranges::transform(fields, std::back_inserter(names), &Field::name);
    return names.empty() ? "none" : listed(names);
}

Error refuse_body(std::string text) {
    return fail(Errc::invalid_argument, std::move(text));
}

Error wrong(const Field& field, const std::string& wanted) {
    return refuse_body("\"" + std::string(field.name) + "\" takes " + wanted);
}

Result<void> check_word(const Field& field, std::string_view word) {
    if (!field.one_of.empty() && std::ranges::find(field.one_of, word) == field.one_of.end()) {
        return wrong(field, "one of " + listed(field.one_of));
    }
    return ok();
}

bool is_number_up_to(std::string_view text, std::uint64_t max) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    return code == std::errc{} && end == text.data() + text.size() && value <= max;
}

std::string integer_text(const Field& field) {
    return field.max == UINT64_MAX ? "a whole number from 0"
                                   : "a whole number from 0 to " + std::to_string(field.max);
}

bool is_list_of_texts(const Json& value) {
    return value.is_array() &&
           std::ranges::all_of(value, [](const Json& one) { return one.is_string(); });
}

Result<void> check_value(const Field& field, const Json& value) {
    switch (field.type) {
        case FieldType::text:
            return value.is_string() ? check_word(field, value.get_ref<const std::string&>())
                                     : Result<void>(wrong(field, "a text"));
        case FieldType::moment:
            return value.is_string() ? check_text(field, value.get_ref<const std::string&>())
                                     : Result<void>(wrong(field, "a moment as text"));
        case FieldType::integer:
            return value.is_number_unsigned() && value.get<std::uint64_t>() <= field.max
                       ? Result<void>(ok())
                       : wrong(field, integer_text(field));
        case FieldType::number:
            return value.is_number() && value.get<double>() >= 0 ? Result<void>(ok())
                                                                 : wrong(field, "a number from 0");
        case FieldType::boolean:
            return value.is_boolean() ? Result<void>(ok()) : wrong(field, "true or false");
        case FieldType::texts:
            return is_list_of_texts(value) ? Result<void>(ok()) : wrong(field, "a list of texts");
        case FieldType::object:
            return value.is_object() ? Result<void>(ok()) : wrong(field, "an object");
        case FieldType::any:
            break;
    }
    return ok();
}

const Field* find_field(const std::vector<Field>& fields, std::string_view name) {
    const auto found = std::ranges::find(fields, name, &Field::name);
    return found == fields.end() ? nullptr : &*found;
}

}  // namespace

Result<void> check_text(const Field& field, std::string_view text) {
    switch (field.type) {
        case FieldType::integer:
            return is_number_up_to(text, field.max) ? Result<void>(ok())
                                                    : wrong(field, integer_text(field));
        case FieldType::boolean:
            return text == "true" || text == "false" ? Result<void>(ok())
                                                     : wrong(field, "true or false");
        case FieldType::moment:
            return parse_moment(text)
                       ? Result<void>(ok())
                       : wrong(field,
                               "a moment such as 2026-11-20T06:00:00Z, or milliseconds since 1970");
        default:
            return check_word(field, text);
    }
}

Result<void> check_query(const Route& route, const Target& target) {
    if (route.takes_any_query) {
        return ok();
    }
    for (const auto& [name, value] : target.query) {
        const auto* const field = find_field(route.query, name);
        if (field == nullptr) {
            return refuse_body("unknown parameter \"" + name +
                               "\"; known here: " + names_of(route.query));
        }
        MILLRACE_TRY(check_text(*field, value));
    }
    for (const auto& field : route.query) {
        if (field.is_required && !target.param(field.name)) {
            return refuse_body("the parameter \"" + std::string(field.name) + "\" is missing");
        }
    }
    return ok();
}

Result<Json> parse_json(std::string_view text) {
    if (text.find('\0') != std::string_view::npos) {
        return fail(Errc::malformed, "no JSON: a NUL stands in it");
    }
    bool is_deep = false;
    std::string why;
    // The library's text of an error says where; it comes as an exception, and this is the adapter.
    try {
        auto parsed = Json::parse(text, [&is_deep](int depth, Json::parse_event_t, Json&) {
            is_deep |= depth > depth_max;
            return depth <= depth_max;
        });
        if (!is_deep) {
            return parsed;
        }
    } catch (const Json::exception& error) {
        why = error.what();
    }
    return fail(Errc::malformed,
                is_deep ? "JSON that is nested deeper than " + std::to_string(depth_max)
                        : "no JSON: " + why.substr(why.find(']') + 2));
}

Result<Json> parse_body(const BodyRule& rule, std::string_view body) {
    if (body.empty() && rule.need == BodyNeed::optional) {
        return Json::object();
    }
    MILLRACE_TRY(auto json, parse_json(body));
    if (!json.is_object()) {
        return refuse_body("the body is an object with " + names_of(rule.fields));
    }
    for (const auto& [name, value] : json.items()) {
        const auto* const field = find_field(rule.fields, name);
        if (field == nullptr) {
            return refuse_body("unknown member \"" + name +
                               "\"; known here: " + names_of(rule.fields));
        }
        MILLRACE_TRY(check_value(*field, value));
    }
    for (const auto& field : rule.fields) {
        if (field.is_required && !json.contains(field.name)) {
            return refuse_body("\"" + std::string(field.name) + "\" is missing");
        }
    }
    return json;
}

std::uint64_t integer_of(std::string_view text) {
    std::uint64_t value = 0;
    (void)std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

}  // namespace millrace::broker::http
