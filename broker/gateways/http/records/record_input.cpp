#include "broker/gateways/http/records/record_input.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "broker/gateways/http/records/cloud_event.hpp"
#include "broker/gateways/http/routing/body_check.hpp"
#include "client/wire/event_id.hpp"
#include "storage/base/text/time_headers.hpp"

namespace millrace::broker::http {
namespace {

constexpr std::string_view json_type = "application/json";
constexpr std::string_view lines_type = "application/x-ndjson";
constexpr std::string_view bytes_type = "application/octet-stream";
constexpr std::string_view event_type = "application/cloudevents+json";
constexpr std::string_view events_type = "application/cloudevents-batch+json";

constexpr std::string_view key_header = "millrace-key";
constexpr std::string_view time_header = "millrace-event-time";
constexpr std::string_view partition_header = "millrace-partition";
constexpr std::string_view record_header_prefix = "millrace-header-";

using FromJson = Result<IncomingRecord> (*)(const Json&);

Error too_many_records(std::uint64_t records_max) {
    return fail(Errc::frame_too_large,
                "more records than http_request_records_max (" + std::to_string(records_max) +
                    ") in one request");
}

Result<ParsedRecords> from_list(const Json& list, FromJson from, std::uint64_t records_max) {
    if (list.size() > records_max) {
        return too_many_records(records_max);
    }
    ParsedRecords records;
    records.reserve(list.size());
    std::ranges::transform(list, std::back_inserter(records), from);
    return records;
}

Result<ParsedRecords> from_json(std::string_view body, FromJson from, std::uint64_t records_max) {
    MILLRACE_TRY(const auto json, parse_json(body));
    if (json.is_array()) {
        return from_list(json, from, records_max);
    }
    ParsedRecords records;
    records.push_back(from(json));
    return records;
}

Result<IncomingRecord> from_line(std::string_view line) {
    MILLRACE_TRY(const auto json, parse_json(line));
    return record_from_json(json);
}

bool is_blank(std::string_view line) {
    return line.find_first_not_of(" \t\r") == std::string_view::npos;
}

Result<ParsedRecords> from_lines(std::string_view body, std::uint64_t records_max) {
    ParsedRecords records;
    while (!body.empty()) {
        const auto line = body.substr(0, body.find('\n'));
        body.remove_prefix(std::min(line.size() + 1, body.size()));
        if (is_blank(line)) {
            continue;
        }
        if (records.size() >= records_max) {
            return too_many_records(records_max);
        }
        records.push_back(from_line(line));
    }
    return records;
}

Result<void> take_header(const std::string& name,
                         const std::string& value,
                         IncomingRecord& record) {
    if (name == key_header) {
        record.key = value;
    } else if (name.starts_with(record_header_prefix)) {
        record.headers.emplace_back(name.substr(record_header_prefix.size()), value);
    } else if (name == time_header) {
        const auto moment = parse_moment(value);
        if (!moment) {
            return fail(Errc::invalid_argument,
                        "Millrace-Event-Time takes a moment such as 2026-11-20T06:00:00Z");
        }
        record.event_time_us = *moment;
    } else if (name == partition_header) {
        const Field field{
            .name = "Millrace-Partition", .type = FieldType::integer, .max = UINT32_MAX};
        MILLRACE_TRY(check_text(field, value));
        record.partition = static_cast<std::uint32_t>(integer_of(value));
    }
    return ok();
}

Result<IncomingRecord> from_bytes(const Request& request) {
    IncomingRecord record;
    record.value = request.body;
    for (const auto& [name, value] : request.headers) {
        MILLRACE_TRY(take_header(name, value, record));
    }
    return record;
}

std::optional<std::string> time_fault(const IncomingRecord& record) {
    for (const auto& [name, value] : record.headers) {
        if (auto fault = time_header_fault(name, value)) {
            return fault;
        }
    }
    return std::nullopt;
}

/// The broker would take a time that it cannot read, count it, and deliver at once.
void refuse_bad_times(ParsedRecords& records) {
    for (auto& record : records) {
        if (auto fault = record ? time_fault(record.value()) : std::nullopt) {
            record = fail(Errc::invalid_argument, std::move(*fault));
        }
    }
}

void give_event_ids(ParsedRecords& records, std::string_view request_id) {
    for (std::size_t i = 0; i < records.size(); ++i) {
        if (!records[i] || records[i].value().header(wire::event_id_header)) {
            continue;
        }
        std::string id(request_id);
        if (records.size() > 1) {
            id += "/" + std::to_string(i);
        }
        records[i].value().headers.emplace_back(wire::event_id_header, std::move(id));
    }
}

Result<ParsedRecords> parse_body(const Request& request,
                                 std::string_view content_type,
                                 std::uint64_t records_max) {
    ParsedRecords one;
    if (is_binary_cloud_event(request)) {
        one.push_back(record_from_binary_cloud_event(request));
        return one;
    }
    if (content_type == json_type) {
        return from_json(request.body, record_from_json, records_max);
    }
    if (content_type == lines_type) {
        return from_lines(request.body, records_max);
    }
    if (content_type == event_type) {
        MILLRACE_TRY(const auto json, parse_json(request.body));
        one.push_back(record_from_cloud_event(json));
        return one;
    }
    if (content_type == events_type) {
        MILLRACE_TRY(const auto json, parse_json(request.body));
        if (!json.is_array()) {
            return fail(Errc::invalid_argument, "a batch of cloud events is a list");
        }
        return from_list(json, record_from_cloud_event, records_max);
    }
    one.push_back(from_bytes(request));
    return one;
}

}  // namespace

const std::vector<std::string_view>& record_content_types() {
    static const std::vector<std::string_view> types{
        json_type, lines_type, bytes_type, event_type, events_type};
    return types;
}

bool is_record_content_type(const Request& request, std::string_view content_type) {
    return is_binary_cloud_event(request) ||
           std::ranges::find(record_content_types(), content_type) != record_content_types().end();
}

Result<ParsedRecords> parse_records(const Request& request,
                                    std::string_view content_type,
                                    std::uint64_t records_max) {
    MILLRACE_TRY(auto records, parse_body(request, content_type, records_max));
    if (records.empty()) {
        return fail(Errc::invalid_argument, "there is no record in the body");
    }
    refuse_bad_times(records);
    if (const auto id = request.header("idempotency-key"); id && !id->empty()) {
        give_event_ids(records, *id);
    }
    return records;
}

}  // namespace millrace::broker::http
