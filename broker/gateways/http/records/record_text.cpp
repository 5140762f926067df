#include "broker/gateways/http/records/record_text.hpp"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

#include "client/expressions/outside_json.hpp"
#include "storage/base/text/base64.hpp"
#include "storage/base/text/time_headers.hpp"

namespace millrace::broker::http {
namespace {

using Json = nlohmann::ordered_json;
constexpr auto replace = Json::error_handler_t::replace;

Error refuse(std::string text) {
    return fail(Errc::invalid_argument, std::move(text));
}

Result<std::string> bytes_of(const Json& value, const char* name) {
    const auto bytes =
        value.is_string() ? parse_base64(value.get_ref<const std::string&>()) : std::nullopt;
    if (!bytes) {
        return refuse("\"" + std::string(name) + "\" is no base64");
    }
    return *bytes;
}

Result<std::pair<std::string, std::string>> header_from(const Json& item) {
    const auto key = item.is_object() ? item.find("key") : item.end();
    if (key == item.end() || !key->is_string()) {
        return refuse("\"headers\" as a list has objects with \"key\" and \"value\"");
    }
    if (const auto bytes = item.find("value_base64"); bytes != item.end()) {
        MILLRACE_TRY(auto value, bytes_of(*bytes, "value_base64"));
        return std::pair{key->get<std::string>(), std::move(value)};
    }
    const auto value = item.find("value");
    return std::pair{key->get<std::string>(), value == item.end() ? "" : text_of(*value)};
}

Result<NamedTexts> headers_from(const Json& value) {
    NamedTexts headers;
    if (value.is_object()) {
        for (const auto& [name, text] : value.items()) {
            headers.emplace_back(name, text_of(text));
        }
    } else if (value.is_array()) {
        for (const auto& item : value) {
            MILLRACE_TRY(auto header, header_from(item));
            headers.push_back(std::move(header));
        }
    } else if (!value.is_null()) {
        return refuse("\"headers\" is neither an object nor a list");
    }
    return headers;
}

Result<UnixMicros> moment_from(const Json& value) {
    const auto moment = parse_moment(text_of(value));
    if (!moment) {
        return refuse(
            "\"event_time\" takes a moment such as 2026-11-20T06:00:00Z, or milliseconds since "
            "1970");
    }
    return *moment;
}

/// What `record_to_json` adds, and says nothing of what is wanted.
bool is_passed_over(std::string_view name) {
    constexpr std::array<std::string_view, 3> names{"topic", "offset", "append_time_us"};
    return std::ranges::find(names, name) != names.end();
}

Result<void> take_number(IncomingRecord& record, const std::string& name, const Json& value) {
    if (name == "event_time_us") {
        if (!value.is_number_integer() ||
            (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX)) {
            return refuse("\"event_time_us\" takes microseconds since 1970");
        }
        record.event_time_us = value.get<std::int64_t>();
        return ok();
    }
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > UINT32_MAX) {
        return refuse("\"partition\" takes the number of a partition");
    }
    record.partition = value.get<std::uint32_t>();
    return ok();
}

Result<void> take_member(IncomingRecord& record, const std::string& name, const Json& value) {
    if (name == "value") {
        record.value = value.is_null() ? std::string() : text_of(value);
    } else if (name == "value_base64") {
        MILLRACE_TRY(record.value, bytes_of(value, "value_base64"));
    } else if (name == "headers") {
        MILLRACE_TRY(record.headers, headers_from(value));
    } else if (value.is_null()) {
        return ok();
    } else if (name == "key") {
        record.key = text_of(value);
    } else if (name == "key_base64") {
        MILLRACE_TRY(record.key, bytes_of(value, "key_base64"));
    } else if (name == "event_time") {
        MILLRACE_TRY(record.event_time_us, moment_from(value));
    } else if (name == "event_time_us" || name == "partition") {
        return take_number(record, name, value);
    } else if (!is_passed_over(name)) {
        return refuse("unknown member \"" + name +
                      "\"; a record has key, value, headers, event_time and partition");
    }
    return ok();
}

/// The value as it stands when it is a JSON object or list that its reader can parse.
std::optional<std::string> embedded_json(std::string_view value) {
    const auto first = value.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos || (value[first] != '{' && value[first] != '[') ||
        !expressions::is_outside_json(value)) {
        return std::nullopt;
    }
    std::string text(value);
    // A line break in JSON stands between its parts, never in a text.
    std::ranges::replace_if(
        text, [](char c) { return c == '\r' || c == '\n'; }, ' ');
    return text;
}

std::string member(const char* name, std::string_view text) {
    const bool is_text = is_utf8(text);
    return std::string(",\"") + name + (is_text ? "\":" : "_base64\":") +
           Json(is_text ? std::string(text) : format_base64(text)).dump();
}

std::string headers_text(const std::vector<wire::HeaderView>& headers) {
    std::set<std::string_view> names;
    bool is_plain = true;
    for (const auto& header : headers) {
        is_plain = is_plain && names.insert(header.key).second && is_utf8(header.value);
    }
    auto out = is_plain ? Json::object() : Json::array();
    for (const auto& header : headers) {
        if (is_plain) {
            out[std::string(header.key)] = header.value;
        } else if (is_utf8(header.value)) {
            out.push_back({{"key", header.key}, {"value", header.value}});
        } else {
            out.push_back({{"key", header.key}, {"value_base64", format_base64(header.value)}});
        }
    }
    return out.dump(-1, ' ', false, replace);
}

}  // namespace

std::string text_of(const Json& value) {
    return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, replace);
}

std::optional<std::string_view> IncomingRecord::header(std::string_view name) const {
    const auto found = std::ranges::find(
        headers, name, [](const auto& one) -> std::string_view { return one.first; });
    return found == headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
}

wire::RecordView IncomingRecord::view() const {
    wire::RecordView shown{
        .key = key, .value = value, .headers = {}, .event_time_us = event_time_us};
    for (const auto& [name, text] : headers) {
        shown.headers.push_back({.key = name, .value = text});
    }
    return shown;
}

Result<IncomingRecord> record_from_json(const Json& json) {
    if (!json.is_object()) {
        return refuse(
            "a record is an object with \"value\", and where wanted \"key\", \"headers\", "
            "\"event_time\" and \"partition\"");
    }
    if (!json.contains("value") && !json.contains("value_base64")) {
        return refuse("\"value\" is missing");
    }
    IncomingRecord record;
    for (const auto& [name, value] : json.items()) {
        MILLRACE_TRY(take_member(record, name, value));
    }
    return record;
}

std::string record_to_json(const wire::RecordView& record, const RecordPlace& place) {
    std::string out = "{\"topic\":" + Json(place.topic).dump(-1, ' ', false, replace) +
                      ",\"partition\":" + std::to_string(place.partition_index) +
                      ",\"offset\":" + std::to_string(place.offset.value) +
                      ",\"append_time_us\":" + std::to_string(place.append_time_us) +
                      ",\"event_time_us\":" + std::to_string(record.event_time_us);
    out += record.key ? member("key", *record.key) : ",\"key\":null";
    if (!record.headers.empty()) {
        out += ",\"headers\":" + headers_text(record.headers);
    }
    const auto embedded = embedded_json(record.value);
    out += embedded ? ",\"value\":" + *embedded : member("value", record.value);
    return out + "}";
}

}  // namespace millrace::broker::http
