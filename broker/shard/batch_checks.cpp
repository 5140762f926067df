#include "broker/shard/batch_checks.hpp"

#include <algorithm>
#include <string>

#include "broker/catalog/replay_topic.hpp"

namespace millrace::broker {
namespace {

constexpr std::uint64_t window_ms_max = 3'153'600'000'000;  ///< a hundred years
constexpr UnixMicros micros_per_milli = 1'000;

}  // namespace

UnixMicros duplicate_window_us(const TopicInfo& topic) {
    const auto shown = std::min(topic.duplicate_window_ms, window_ms_max);
    return static_cast<UnixMicros>(shown) * micros_per_milli;
}

Result<CheckedBatch> check_batch(std::span<const std::byte> batch,
                                 EventIdSearch search,
                                 std::size_t record_bytes_max) {
    CheckedBatch checked;
    std::size_t largest = 0;
    // Half of it, since a key counts twice: what is not packed and stays below has no such record.
    const bool may_be_large =
        wire::codec_of(batch) != wire::Codec::none || batch.size() > record_bytes_max / 2;
    const auto look = [&](std::uint32_t number, const wire::RecordView& record) {
        if (may_be_large) {
            largest = std::max(largest, wire::unpacked_record_bytes(record));
        }
        const auto id = search == EventIdSearch::look ? wire::event_id_of(record) : std::nullopt;
        if (id) {
            checked.ids.push_back({.number = number, .id = *id});
        }
        return true;
    };
    MILLRACE_TRY(checked.summary, wire::validate_batch(batch, look));
    if (largest > record_bytes_max) {
        return fail(Errc::record_too_large,
                    "a record of " + std::to_string(largest) +
                        " bytes, unpacked and with its key counted twice; limit "
                        "unpacked_record_bytes_max is " +
                        std::to_string(record_bytes_max));
    }
    return checked;
}

Result<void> check_batch_size(const TopicInfo& topic,
                              std::size_t batch_bytes,
                              std::size_t record_batch_bytes_max) {
    const std::size_t limit = topic.record_bytes_max != 0
                                  ? topic.record_bytes_max + wire::batch_header_bytes
                                  : record_batch_bytes_max;
    if (batch_bytes > std::min(limit, record_batch_bytes_max)) {
        return fail(
            Errc::record_too_large,
            "a batch of " + std::to_string(batch_bytes) + " bytes for " + topic.name + ", limit " +
                (topic.record_bytes_max != 0 ? "record_bytes_max" : "record_batch_bytes_max") +
                " is " + std::to_string(limit));
    }
    return ok();
}

std::size_t unpacked_bytes_max(const TopicInfo& topic) {
    // What a replay adds to a record must not keep it from its subscription.
    const auto stamp = is_internal_topic(topic.name) ? replay_stamp_bytes_max : 0;
    return wire::unpacked_record_bytes_max + stamp;
}

}  // namespace millrace::broker
