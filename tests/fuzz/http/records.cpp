// What the HTTP door parses itself: targets, bodies of records in every form, positions. The first
// byte chooses.
#include <nlohmann/json.hpp>

#include "tests/fuzz/fuzz_check.hpp"

#include "broker/gateways/http/records/cloud_event.hpp"
#include "broker/gateways/http/records/position.hpp"
#include "broker/gateways/http/records/record_input.hpp"
#include "broker/gateways/http/routing/body_check.hpp"
#include "broker/gateways/http/routing/target.hpp"

namespace millrace::broker::http {
namespace {

using fuzz::check;

constexpr std::uint64_t records_max = 1000;

void check_record(const IncomingRecord& record) {
    const auto line = record_to_json(record.view(), {.topic = "a.b"});
    check(line.find('\n') == std::string::npos, "a record is one line");
    const auto json = Json::parse(line, nullptr, false);
    check(!json.is_discarded(), "a record that is shown is JSON");
    const auto again = record_from_json(json);
    check(again.has_value(), "a record that is shown reads back");
    check(again.value().key == record.key, "the key reads back");
}

void parse_as_records(std::string_view text, std::string_view content_type) {
    Request request;
    request.body = text;
    request.headers = {{"idempotency-key", "k"}};
    const auto records = parse_records(request, content_type, records_max);
    if (!records) {
        return;
    }
    check(!records.value().empty() && records.value().size() <= records_max,
          "records keep to the limit");
    for (const auto& record : records.value()) {
        if (record) {
            check_record(record.value());
        }
    }
}

/// Lines of `name: value`, then the body.
void parse_as_binary_event(std::string_view text) {
    Request request;
    while (!text.empty() && text.front() != '\n') {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const auto name = line.substr(0, line.find(':'));
        request.headers.emplace_back(name, line.substr(std::min(name.size() + 1, line.size())));
    }
    request.body = text;
    if (const auto record = record_from_binary_cloud_event(request)) {
        check(record.value().header("event-id").has_value(), "an event has an id");
        check_record(record.value());
    }
}

void parse_as_target(std::string_view text) {
    if (const auto target = parse_target(text)) {
        check(target.value().segments.size() <= text.size(), "a segment takes a byte at least");
    }
}

void parse_as_position(std::string_view text) {
    if (const auto positions = parse_positions(text)) {
        const auto once = format_positions(positions.value());
        const auto again = parse_positions(once);
        check(again.has_value() && format_positions(again.value()) == once,
              "a position reads back");
    }
}

void parse(std::uint8_t kind, std::string_view text) {
    switch (kind % 7) {
        case 0:
            return parse_as_records(text, "application/json");
        case 1:
            return parse_as_records(text, "application/x-ndjson");
        case 2:
            return parse_as_records(text, "application/cloudevents+json");
        case 3:
            return parse_as_records(text, "application/cloudevents-batch+json");
        case 4:
            return parse_as_binary_event(text);
        case 5:
            return parse_as_target(text);
        default:
            return parse_as_position(text);
    }
}

}  // namespace
}  // namespace millrace::broker::http

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto input = millrace::fuzz::bytes_of(data, size);
    const auto kind = millrace::fuzz::take_byte(input);
    millrace::broker::http::parse(kind,
                                  {reinterpret_cast<const char*>(input.data()), input.size()});
    return 0;
}
