#include "client/cli/text/json_line.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "client/cli/text/usage_error.hpp"
#include "client/expressions/outside_json.hpp"
#include "storage/base/text/base64.hpp"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr auto replace = Json::error_handler_t::replace;

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, replace);
}

std::string require_base64(const Json& value, const char* name) {
    const auto bytes = value.is_string() ? parse_base64(value.get<std::string>()) : std::nullopt;
    if (!bytes) {
        throw UsageError("\"" + std::string(name) + "\" is no base64");
    }
    return *bytes;
}

template <class T>
T require_integer(const Json& value, const char* name) {
    const bool fits = value.is_number_unsigned() ? value.get<std::uint64_t>() <= INT64_MAX
                                                 : value.is_number_integer();
    const std::int64_t number = fits ? value.get<std::int64_t>() : 0;
    if (!fits || !std::in_range<T>(number)) {
        throw UsageError("\"" + std::string(name) + "\" is " + value.dump() +
                         ", no integer in its range");
    }
    return static_cast<T>(number);
}

Header parse_header(const Json& item) {
    const auto key = item.is_object() ? item.find("key") : item.end();
    if (key == item.end() || !key->is_string()) {
        throw UsageError("\"headers\" as a list has objects with \"key\" and \"value\"");
    }
    const auto value = item.find("value");
    if (value != item.end()) {
        return {key->get<std::string>(), text_of(*value)};
    }
    const auto bytes = item.find("value_base64");
    return {key->get<std::string>(),
            bytes == item.end() ? std::string() : require_base64(*bytes, "value_base64")};
}

std::vector<Header> parse_headers(const Json& value) {
    std::vector<Header> headers;
    if (value.is_object()) {
        for (const auto& [name, text] : value.items()) {
            headers.push_back({name, text_of(text)});
        }
    } else if (value.is_array()) {
        for (const Json& item : value) {
            headers.push_back(parse_header(item));
        }
    } else if (!value.is_null()) {
        throw UsageError("\"headers\" is neither an object nor a list");
    }
    return headers;
}

void apply_field(TopicRecord& out, const std::string& name, const Json& value) {
    OutgoingRecord& record = out.record;
    if (name == "topic") {
        if (!value.is_string()) {
            throw UsageError("\"topic\" is no text");
        }
        out.topic = value.get<std::string>();
    } else if (name == "key") {
        record.key = value.is_null() ? std::nullopt : std::optional(text_of(value));
    } else if (name == "key_base64") {
        record.key = require_base64(value, "key_base64");
    } else if (name == "value") {
        record.value = value.is_null() ? std::string() : text_of(value);
    } else if (name == "value_base64") {
        record.value = require_base64(value, "value_base64");
    } else if (name == "headers") {
        record.headers = parse_headers(value);
    } else if (name == "event_time_us" && !value.is_null()) {
        record.event_time_us = require_integer<std::int64_t>(value, "event_time_us");
    } else if (name == "partition" && !value.is_null()) {
        record.partition = require_integer<std::uint32_t>(value, "partition");
    }
}

/// The value as it stands when it is a JSON object or list on one line.
std::optional<std::string> embedded_json(std::string_view value) {
    const auto first = value.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || (value[first] != '{' && value[first] != '[') ||
        !expressions::is_outside_json(value)) {
        return std::nullopt;
    }
    if (value.find_first_of("\r\n") == std::string_view::npos) {
        return std::string(value);
    }
    return Json::parse(value).dump();
}

std::string member(const char* name, std::string_view text) {
    const bool is_text = is_utf8(text);
    return std::string(",\"") + name + (is_text ? "\":" : "_base64\":") +
           Json(is_text ? std::string(text) : format_base64(text)).dump();
}

std::string format_headers(const std::vector<HeaderView>& headers) {
    std::set<std::string_view> names;
    bool is_plain = true;
    for (const auto& header : headers) {
        is_plain = is_plain && names.insert(header.key).second && is_utf8(header.value);
    }
    Json out = is_plain ? Json::object() : Json::array();
    for (const auto& header : headers) {
        if (is_plain) {
            out[header.key] = header.value;
        } else if (is_utf8(header.value)) {
            out.push_back({{"key", header.key}, {"value", header.value}});
        } else {
            out.push_back({{"key", header.key}, {"value_base64", format_base64(header.value)}});
        }
    }
    return out.dump(-1, ' ', false, replace);
}

/// "order.id" as "/order/id".
std::string pointer_of(std::string_view path) {
    if (path.starts_with('/')) {
        return std::string(path);
    }
    std::string out = "/";
    for (const char c : path) {
        out += c == '.' ? "/" : c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
    }
    return out;
}

}  // namespace

TopicRecord parse_json_line(std::string_view line) {
    if (!expressions::is_safe_to_parse(line)) {
        throw UsageError("no JSON that can be read: it holds a NUL, or is nested deeper than " +
                         std::to_string(expressions::json_levels_max) + " levels");
    }
    const Json document = Json::parse(line, nullptr, false);
    if (document.is_discarded()) {
        throw UsageError("no JSON");
    }
    if (!document.is_object()) {
        throw UsageError(
            "no JSON object; a line is {\"topic\", \"key\", \"headers\", \"event_time_us\", "
            "\"value\"}");
    }
    if (!document.contains("value") && !document.contains("value_base64")) {
        throw UsageError("no \"value\"; without --jsonl the whole line is the value");
    }
    TopicRecord out;
    for (const auto& [name, value] : document.items()) {
        apply_field(out, name, value);
    }
    return out;
}

std::string format_json_line(const Record& record) {
    std::string out = "{\"topic\":" + Json(record.topic).dump(-1, ' ', false, replace) +
                      ",\"partition\":" + std::to_string(record.partition) +
                      ",\"offset\":" + std::to_string(record.offset) +
                      ",\"append_time_us\":" + std::to_string(record.append_time_us) +
                      ",\"event_time_us\":" + std::to_string(record.event_time_us);
    out += record.key ? member("key", *record.key) : ",\"key\":null";
    if (!record.headers.empty()) {
        out += ",\"headers\":" + format_headers(record.headers);
    }
    const auto embedded = embedded_json(record.value);
    out += embedded ? ",\"value\":" + *embedded : member("value", record.value);
    return out + "}";
}

std::optional<std::string> find_field(std::string_view json, std::string_view path) {
    if (path.empty() || !expressions::is_outside_json(json)) {
        return std::nullopt;
    }
    const Json document = Json::parse(json, nullptr, false);
    try {
        const Json::json_pointer pointer(pointer_of(path));
        if (!document.contains(pointer) || document.at(pointer).is_null()) {
            return std::nullopt;
        }
        return text_of(document.at(pointer));
    } catch (const Json::exception&) {  // "/a~2" is no pointer
        return std::nullopt;
    }
}

}  // namespace millrace::cli
