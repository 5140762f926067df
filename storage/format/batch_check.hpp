#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::storage {

/// What the index knows of a batch. The time only where it is not 0.
struct KnownBatch {
    PartitionId partition;
    Offset base_offset;
    std::uint32_t record_count = 0;
    UnixMicros append_time_us = 0;
};

/// Whether a run from disk is the batch that the index knows: its header, which no checksum of its
/// own covers, says so, and its CRC-32C fits.
[[nodiscard]] bool is_intact(std::span<const std::byte> run, const KnownBatch& known);

}  // namespace millrace::storage
