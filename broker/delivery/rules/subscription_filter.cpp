#include "broker/delivery/rules/subscription_filter.hpp"

#include <nlohmann/json.hpp>

#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {
namespace {

using Json = nlohmann::ordered_json;
constexpr auto replace_bad_utf8 = Json::error_handler_t::replace;

std::string quoted(std::string_view text) {
    return Json(text).dump(-1, ' ', false, replace_bad_utf8);
}

/// The value goes in as it came when it is JSON: jq parses it anyway.
std::string document_of(const wire::RecordView& record, const RecordPlacement& placement) {
    std::string text = "{\"topic\":" + quoted(placement.topic) +
                       ",\"partition\":" + std::to_string(placement.partition_index) +
                       ",\"offset\":" + std::to_string(placement.offset.value) +
                       ",\"append_time_us\":" + std::to_string(placement.append_time_us) +
                       ",\"event_time_us\":" + std::to_string(record.event_time_us) +
                       ",\"key\":" + quoted(record.key.value_or("")) + ",\"headers\":{";
    const char* separator = "";
    for (const auto& header : record.headers) {
        text += separator + quoted(header.key) + ":" + quoted(header.value);
        separator = ",";
    }
    text += "},\"value\":";
    text += Json::accept(record.value) ? std::string(record.value) : quoted(record.value);
    return text + "}";
}

}  // namespace

Result<SubscriptionFilter> SubscriptionFilter::make(const std::string& program) {
    auto compiled = JqProgram::compile(program);
    if (!compiled) {
        return fail(Errc::invalid_argument, "filter: " + compiled.error().text);
    }
    return SubscriptionFilter(std::move(compiled).value());
}

Result<void> check_filter(const std::string& program) {
    if (!program.empty()) {
        MILLRACE_TRY(SubscriptionFilter::make(program));
    }
    return ok();
}

SubscriptionFilter::Verdict SubscriptionFilter::judge(const wire::RecordView& record,
                                                      const RecordPlacement& placement) const {
    const auto outputs = program_.run(document_of(record, placement));
    if (!outputs) {
        return Verdict::failed;
    }
    const bool is_wanted = !outputs.value().empty() && outputs.value().front() != "false" &&
                           outputs.value().front() != "null";
    return is_wanted ? Verdict::wanted : Verdict::unwanted;
}

}  // namespace millrace::broker::delivery
