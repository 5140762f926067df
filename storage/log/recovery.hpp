#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "storage/base/result.hpp"
#include "storage/format/layout.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage {

/// What a scan of a segment found.
struct SegmentScan {
    CommitSequence last;  ///< of the last commit that counts; unchanged where there is none
    std::uint64_t used_bytes = disk_alignment;
    UnixMicros first_time_us = 0;
    UnixMicros last_time_us = 0;
    std::uint64_t torn_tails = 0;
    std::uint64_t quarantined = 0;
};

/// Logs that acked data does not verify.
void report_damage(SegmentSequence segment, std::uint64_t position, std::string_view what);

using FrameHandler = std::function<void(const FrameView& frame, FramePlace place)>;

/// Where a scan of a segment ends and what it can rely on.
struct ScanRange {
    CommitSequence after;  ///< the commit before the segment; 0 when that is not known
    std::uint32_t commits_in_flight_max = 0;
    const Segment* following = nullptr;       ///< the segment behind it in the log, if there is one
    std::optional<std::uint64_t> used_bytes;  ///< where its last commit ended when it was sealed
};

/// Reads a segment's commits in order and judges what does not verify.
///
/// Where the log goes on in the segment that follows, all before was on disk: what does not verify
/// is corruption of acked data, and only the frames that do not verify are left out; what lies
/// behind the last commit that counts is a tail that was cut. Without one a bad commit ends the
/// segment as a torn tail, never acked, unless a valid commit of the same epoch follows whose
/// sequence is beyond what may have been in flight: then it is corruption, too.
///
/// Errors: io.
[[nodiscard]] Result<SegmentScan> scan_segment(const Segment& segment,
                                               const ScanRange& range,
                                               const FrameHandler& handle);

}  // namespace millrace::storage
