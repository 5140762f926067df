#include "broker/delivery/rules/record_times.hpp"

#include <algorithm>

#include "storage/base/text/time_headers.hpp"

namespace millrace::broker::delivery {
namespace {

std::optional<UnixMicros> time_of(const wire::RecordView& record,
                                  std::string_view name,
                                  RecordTimes& times) {
    const auto text = record.header(name);
    if (!text) {
        return std::nullopt;
    }
    const auto time = parse_moment(*text);
    times.unreadable_count += time ? 0U : 1U;
    return time;
}

}  // namespace

RecordTimes record_times(const wire::RecordView& record) {
    RecordTimes times;
    if (record.headers.empty()) {
        return times;
    }
    times.deliver_after_us = time_of(record, deliver_after_header, times);
    times.expires_at_us = time_of(record, expires_at_header, times);
    return times;
}

std::optional<UnixMicros> RecordTimes::waits_until(UnixMicros now) const {
    if (!deliver_after_us || *deliver_after_us <= now) {
        return std::nullopt;
    }
    return expires_at_us ? std::min(*deliver_after_us, *expires_at_us) : *deliver_after_us;
}

}  // namespace millrace::broker::delivery
