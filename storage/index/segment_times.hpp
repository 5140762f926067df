#pragma once

#include <optional>

#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/index/batch_index.hpp"
#include "storage/index/unsealed_segments.hpp"

namespace millrace::storage {

/// The first segment in which something was appended at or after `time_us`; nothing where there is
/// none.
[[nodiscard]] std::optional<SegmentSequence> first_segment_since(UnixMicros time_us,
                                                                 const BatchIndex& index,
                                                                 const UnsealedSegments& unsealed);

}  // namespace millrace::storage
