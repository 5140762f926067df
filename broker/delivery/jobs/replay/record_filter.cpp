#include "broker/delivery/jobs/replay/record_filter.hpp"

#include <algorithm>

namespace millrace::broker::delivery {

Result<RecordFilter> RecordFilter::make(const ReplaySpec& spec) {
    RecordFilter filter(spec);
    if (!spec.where.empty()) {
        MILLRACE_TRY(filter.where_, SubscriptionFilter::make(spec.where));
    }
    return filter;
}

bool RecordFilter::wants(const wire::RecordView& record, const RecordOrigin& origin) const {
    if (!key_.empty() && record.key.value_or("") != key_) {
        return false;
    }
    const auto has_header = [&record](const auto& wanted) {
        return std::ranges::any_of(record.headers, [&wanted](const wire::HeaderView& header) {
            return header.key == wanted.first && header.value == wanted.second;
        });
    };
    if (!std::ranges::all_of(headers_, has_header)) {
        return false;
    }
    if (!where_) {
        return true;
    }
    const RecordPlacement placement{.topic = origin.topic,
                                    .partition_index = origin.partition_index,
                                    .offset = origin.offset,
                                    .append_time_us = origin.append_time_us};
    return where_->judge(record, placement).verdict == SubscriptionFilter::Verdict::wanted;
}

}  // namespace millrace::broker::delivery
