#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/index/batch_index.hpp"
#include "storage/index/key_value.hpp"
#include "storage/io/disk.hpp"
#include "storage/io/pace.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage {

/// What is to be rewritten, and where to.
struct RewriteTask {
    Segment segment;
    std::uint64_t used_bytes = 0;
    std::string path;       ///< of the new generation
    std::string directory;  ///< of `path`
    std::size_t commit_bytes_max = 0;
    std::size_t memory_bytes_max = 0;
};

struct RewrittenSegment {
    Segment segment;  ///< used to the end of its file
    std::vector<BatchIndex::MovedChunk> chunks;
};

/// Writes the batches of a sealed segment that the index still knows into a file of their own,
/// ordered by partition and offset, with the order in which they were appended behind them. The
/// file is whole and on disk under its name when this returns.
///
/// Threads:  any; blocks. Holds `memory_bytes_max` or the batches of one commit, and up to 200
///           bytes for each batch.
/// Errors:   io; corrupt when something of the segment does not verify; not_found when nothing
///           of it is alive; limit_reached when it has too few commits; shutting_down.
[[nodiscard]] Result<RewrittenSegment> rewrite_segment(Disk& disk,
                                                       const KeyValueStore& rows,
                                                       const RewriteTask& task,
                                                       Pace& pace);

}  // namespace millrace::storage
