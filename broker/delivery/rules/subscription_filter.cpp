#include "broker/delivery/rules/subscription_filter.hpp"

#include "broker/delivery/subscriptions.hpp"
#include "client/expressions/record_document.hpp"

namespace millrace::broker::delivery {
namespace {

expressions::RecordFacts facts_of(const wire::RecordView& record,
                                  const RecordPlacement& placement) {
    expressions::RecordFacts facts{.topic = placement.topic,
                                   .partition_index = placement.partition_index,
                                   .offset = placement.offset.value,
                                   .append_time_us = placement.append_time_us,
                                   .event_time_us = record.event_time_us,
                                   .key = record.key.value_or(""),
                                   .headers = {},
                                   .value = record.value};
    facts.headers.reserve(record.headers.size());
    for (const auto& header : record.headers) {
        facts.headers.emplace_back(header.key, header.value);
    }
    return facts;
}

}  // namespace

Result<SubscriptionFilter> SubscriptionFilter::make(const std::string& program) {
    auto compiled = expressions::JqProgram::compile(program);
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

SubscriptionFilter::Judged SubscriptionFilter::judge(const wire::RecordView& record,
                                                     const RecordPlacement& placement) const {
    const auto is_wanted = expressions::is_wanted(program_, facts_of(record, placement));
    if (!is_wanted) {
        return {.verdict = Verdict::failed, .fault = is_wanted.error().text};
    }
    return {.verdict = is_wanted.value() ? Verdict::wanted : Verdict::unwanted, .fault = {}};
}

}  // namespace millrace::broker::delivery
