#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "client/wire/event_id.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

/// A batch that is what it says, and the records in it that say who they are.
struct CheckedBatch {
    struct Identified {
        std::uint32_t number = 0;  ///< in the batch
        wire::EventId id;
    };
    wire::BatchSummary summary;
    std::vector<Identified> ids;
};

/// A topic's window in the clock's unit.
[[nodiscard]] UnixMicros duplicate_window_us(const TopicInfo& topic);

enum class EventIdSearch : std::uint8_t { skip, look };

/// What one record may have.
struct RecordLimits {
    std::size_t unpacked_bytes_max = SIZE_MAX;  ///< with its key counted twice
    std::size_t record_bytes_max = SIZE_MAX;    ///< as it lies alone in a batch that is not packed
};
[[nodiscard]] RecordLimits record_limits_of(const TopicInfo& topic);

/// As wire::validate_batch. Errors: also record_too_large, for a record above one of the limits;
/// the text names it.
[[nodiscard]] Result<CheckedBatch> check_batch(std::span<const std::byte> batch,
                                               EventIdSearch search,
                                               const RecordLimits& limits);

/// Errors: record_too_large for a batch above what the broker takes.
[[nodiscard]] Result<void> check_batch_size(const TopicInfo& topic,
                                            std::size_t batch_bytes,
                                            std::size_t record_batch_bytes_max);

}  // namespace millrace::broker
