#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::storage {

/// One batch of a segment that was rewritten, whose batches no longer lie in the order in which
/// they were appended.
struct OrderedBatch {
    std::uint64_t appended_at = 0;  ///< its position in the segment as it was appended
    std::uint64_t position = 0;     ///< where it lies now
    PartitionId partition;
    Offset base_offset;
    std::uint32_t record_count = 0;
    std::uint32_t run_bytes = 0;
    auto operator<=>(const OrderedBatch&) const = default;
};

/// The payload of a frame that tells the order: for each batch six numbers
/// (storage/format/numbers): how far `appended_at` lies behind the one before, `position` and
/// `run_bytes` in units of 8 bytes, partition, base offset, records.
///
/// Takes batches off the front until the payload has about `bytes_max`.
[[nodiscard]] std::string format_append_order(std::span<const OrderedBatch>& batches,
                                              std::size_t bytes_max);
/// Adds what the payload says. Errors: corrupt.
[[nodiscard]] Result<void> parse_append_order(std::span<const std::byte> payload,
                                              std::vector<OrderedBatch>& batches);

}  // namespace millrace::storage
