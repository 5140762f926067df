#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "storage/base/result.hpp"
#include "storage/base/units.hpp"
#include "storage/copy/segment_source.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// Of one list of segments; it begins anew when they are listed again.
struct CopyProgress {
    std::size_t segments_done = 0;
    std::size_t segments = 0;
    std::uint64_t bytes_done = 0;  ///< what was there already included
    std::uint64_t bytes = 0;
};

struct CopyOptions {
    std::string directory;               ///< data/shard-00, where the copy is to come to lie
    std::uint64_t bytes_per_second = 0;  ///< 0: no limit
    std::size_t read_bytes_max = 1_MiB;  ///< of one read; `segment_read_bytes_max` is the most
    std::function<void(const CopyProgress&)> on_progress;  ///< may be empty
    const std::atomic<bool>& is_stopping;                  ///< looked at between reads
};

/// Copies a shard's log beside the shard's directory, into `<directory>.incoming`, for
/// `install_copy`. The shard itself may be open meanwhile.
///
/// Promise:  when it has succeeded, what lies there is exactly the segments of one list, each as
///           long as in that list at least, every commit of them verified where it lies, and all
///           of it durable. After a failure it goes on, when it is called again, with what is
///           there and verifies.
/// Threads:  any, one copy of a shard at a time; blocks. Holds one read, and 4 MiB to verify.
/// Errors:   those of the source; corrupt where a segment does not verify, with its number;
///           malformed where the source gives what was not asked for; unavailable where it has no
///           segment yet; conflict while a whole copy waits to be installed; out_of_space, the old
///           shard being there as well; io; shutting_down.
[[nodiscard]] Result<void> copy_shard(Disk& disk,
                                      SegmentSource& source,
                                      const CopyOptions& options);

}  // namespace millrace::storage
