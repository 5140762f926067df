#include "broker/gateways/http/records/cloud_event.hpp"

#include <algorithm>
#include <array>
#include <map>

#include <nlohmann/json.hpp>

#include "broker/gateways/http/routing/target.hpp"
#include "client/wire/event_id.hpp"
#include "storage/base/text/base64.hpp"
#include "storage/base/text/time_headers.hpp"

namespace millrace::broker::http {
namespace {

using Json = nlohmann::ordered_json;
using Attributes = std::map<std::string, std::string>;

constexpr std::string_view binary_prefix = "ce-";

Error refuse(std::string text) {
    return fail(Errc::invalid_argument, "cloud event: " + std::move(text));
}

bool is_name(std::string_view name) {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    });
}

Result<void> check(const Attributes& attributes) {
    for (const auto& [name, value] : attributes) {
        if (!is_name(name)) {
            return refuse("\"" + name + "\" is no name of an attribute: a-z and 0-9 only");
        }
    }
    for (const char* const name : {"specversion", "id", "source", "type"}) {
        const auto found = attributes.find(name);
        if (found == attributes.end() || found->second.empty()) {
            return refuse("the attribute \"" + std::string(name) + "\" is missing");
        }
    }
    if (attributes.at("specversion") != "1.0") {
        return refuse("specversion \"" + attributes.at("specversion") + "\" is not known; 1.0 is");
    }
    return ok();
}

/// Everything but the value.
Result<IncomingRecord> record_of(const Attributes& attributes) {
    MILLRACE_TRY(check(attributes));
    IncomingRecord record;
    record.headers.emplace_back(wire::event_id_header,
                                attributes.at("source") + "#" + attributes.at("id"));
    for (const auto& [name, value] : attributes) {
        if (name == "datacontenttype") {
            record.headers.emplace_back("content-type", value);
        } else {
            record.headers.emplace_back("ce_" + name, value);
        }
    }
    if (const auto time = attributes.find("time"); time != attributes.end()) {
        const auto moment =
            time->second.find('-') == std::string::npos ? std::nullopt : parse_moment(time->second);
        if (!moment) {
            return refuse("\"time\" takes a moment such as 2026-11-20T06:00:00Z");
        }
        record.event_time_us = *moment;
    }
    for (const char* const name : {"partitionkey", "subject"}) {
        const auto found = attributes.find(name);
        if (found != attributes.end() && !record.key) {
            record.key = found->second;
        }
    }
    return record;
}

bool is_json_type(std::string_view type) {
    return type.empty() || type.starts_with("application/json") ||
           type.substr(0, type.find(';')).ends_with("+json");
}

Result<void> take_data(IncomingRecord& record, const Json& json) {
    const auto data = json.find("data");
    const auto bytes = json.find("data_base64");
    if (data != json.end() && bytes != json.end()) {
        return refuse("either \"data\" or \"data_base64\"");
    }
    if (bytes != json.end()) {
        const auto plain =
            bytes->is_string() ? parse_base64(bytes->get_ref<const std::string&>()) : std::nullopt;
        if (!plain) {
            return refuse("\"data_base64\" is no base64");
        }
        record.value = *plain;
    } else if (data != json.end()) {
        // A text is JSON itself where the data is said to be JSON, and the data as it is elsewhere.
        record.value = is_json_type(record.header("content-type").value_or(""))
                           ? data->dump(-1, ' ', false, Json::error_handler_t::replace)
                           : text_of(*data);
    }
    return ok();
}

}  // namespace

Result<IncomingRecord> record_from_cloud_event(const Json& json) {
    if (!json.is_object()) {
        return refuse("an event is an object");
    }
    Attributes attributes;
    for (const auto& [name, value] : json.items()) {
        if (name == "data" || name == "data_base64" || value.is_null()) {
            continue;
        }
        if (value.is_structured()) {
            return refuse("the attribute \"" + name + "\" takes a text, a number or true or false");
        }
        attributes[name] = text_of(value);
    }
    MILLRACE_TRY(auto record, record_of(attributes));
    MILLRACE_TRY(take_data(record, json));
    return record;
}

bool is_binary_cloud_event(const Request& request) {
    return request.header("ce-specversion").has_value();
}

Result<IncomingRecord> record_from_binary_cloud_event(const Request& request) {
    Attributes attributes;
    for (const auto& [name, value] : request.headers) {
        if (name.starts_with(binary_prefix)) {
            MILLRACE_TRY(attributes[name.substr(binary_prefix.size())], undo_percent(value));
        }
    }
    if (const auto type = request.header("content-type")) {
        attributes["datacontenttype"] = *type;
    }
    MILLRACE_TRY(auto record, record_of(attributes));
    record.value = request.body;
    return record;
}

}  // namespace millrace::broker::http
