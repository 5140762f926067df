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

/// As wire::validate_batch. Errors: also record_too_large, for one above `record_bytes_max` once it
/// is unpacked.
[[nodiscard]] Result<CheckedBatch> check_batch(std::span<const std::byte> batch,
                                               EventIdSearch search,
                                               std::size_t record_bytes_max);

/// Errors: record_too_large for a batch above what the topic, or else the broker, takes.
[[nodiscard]] Result<void> check_batch_size(const TopicInfo& topic,
                                            std::size_t batch_bytes,
                                            std::size_t record_batch_bytes_max);
/// What a record of the topic may have once it is unpacked.
[[nodiscard]] std::size_t unpacked_bytes_max(const TopicInfo& topic);

}  // namespace millrace::broker
