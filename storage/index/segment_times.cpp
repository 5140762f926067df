#include "storage/index/segment_times.hpp"

#include <algorithm>

namespace millrace::storage {

std::optional<SegmentSequence> first_segment_since(UnixMicros time_us,
                                                   const BatchIndex& index,
                                                   const UnsealedSegments& unsealed) {
    for (const auto& [sequence, row] : index.sealed_segments()) {
        if (row.last_time_us >= time_us) {
            return sequence;
        }
    }
    for (const auto& [sequence, segment] : unsealed.all()) {
        if (std::max(segment.row.last_time_us, index.last_time_of_unsealed(sequence)) >= time_us) {
            return sequence;
        }
    }
    return std::nullopt;
}

}  // namespace millrace::storage
