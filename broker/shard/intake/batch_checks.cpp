#include "broker/shard/intake/batch_checks.hpp"

#include <algorithm>
#include <string>

#include "broker/catalog/replay_topic.hpp"

namespace millrace::broker {
namespace {

constexpr std::uint64_t window_ms_max = 3'153'600'000'000;  ///< a hundred years
constexpr UnixMicros micros_per_milli = 1'000;

/// The most that a record of a batch has.
struct Largest {
    std::size_t unpacked_bytes = 0;
    std::size_t record_bytes = 0;

    void take(const wire::RecordView& record) {
        unpacked_bytes = std::max(unpacked_bytes, wire::unpacked_record_bytes(record));
        record_bytes =
            std::max(record_bytes, wire::record_bytes(record, {.time = record.event_time_us}));
    }
    [[nodiscard]] Result<void> check(const RecordLimits& limits) const {
        if (unpacked_bytes > limits.unpacked_bytes_max) {
            return fail(Errc::record_too_large,
                        "a record of " + std::to_string(unpacked_bytes) +
                            " bytes, unpacked and with its key counted twice; limit "
                            "unpacked_record_bytes_max is " +
                            std::to_string(limits.unpacked_bytes_max));
        }
        if (record_bytes > limits.record_bytes_max) {
            return fail(Errc::record_too_large,
                        "a record of " + std::to_string(record_bytes) +
                            " bytes, unpacked; limit record_bytes_max of its topic is " +
                            std::to_string(limits.record_bytes_max));
        }
        return ok();
    }
};

}  // namespace

UnixMicros duplicate_window_us(const TopicInfo& topic) {
    const auto shown = std::min(topic.duplicate_window_ms, window_ms_max);
    return static_cast<UnixMicros>(shown) * micros_per_milli;
}

Result<CheckedBatch> check_batch(std::span<const std::byte> batch,
                                 EventIdSearch search,
                                 const RecordLimits& limits) {
    CheckedBatch checked;
    Largest largest;
    // Half of it, since a key counts twice: what is not packed and stays below has no such record.
    const bool may_be_large =
        wire::codec_of(batch) != wire::Codec::none ||
        batch.size() > std::min(limits.unpacked_bytes_max / 2, limits.record_bytes_max);
    const auto look = [&](std::uint32_t number, const wire::RecordView& record) {
        if (may_be_large) {
            largest.take(record);
        }
        const auto id = search == EventIdSearch::look ? wire::event_id_of(record) : std::nullopt;
        if (id) {
            checked.ids.push_back({.number = number, .id = *id});
        }
        return true;
    };
    MILLRACE_TRY(checked.summary, wire::validate_batch(batch, look));
    MILLRACE_TRY(largest.check(limits));
    return checked;
}

Result<void> check_batch_size(const TopicInfo& topic,
                              std::size_t batch_bytes,
                              std::size_t record_batch_bytes_max) {
    if (batch_bytes > record_batch_bytes_max) {
        return fail(Errc::record_too_large,
                    "a batch of " + std::to_string(batch_bytes) + " bytes for " + topic.name +
                        ", limit record_batch_bytes_max is " +
                        std::to_string(record_batch_bytes_max));
    }
    return ok();
}

RecordLimits record_limits_of(const TopicInfo& topic) {
    // What a replay adds to a record must not keep it from its subscription.
    const auto stamp = is_internal_topic(topic.name) ? replay_stamp_bytes_max : 0;
    RecordLimits limits{.unpacked_bytes_max = wire::unpacked_record_bytes_max + stamp};
    if (topic.record_bytes_max != 0) {
        limits.record_bytes_max = topic.record_bytes_max;
    }
    return limits;
}

}  // namespace millrace::broker
