#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/base/ids.hpp"

namespace millrace::storage {

/// Whether a run from disk is the batch that the index knows: its header says so, and its CRC-32C
/// fits.
[[nodiscard]] bool is_intact(std::span<const std::byte> run,
                             PartitionId partition,
                             Offset base_offset,
                             std::uint32_t record_count);

}  // namespace millrace::storage
