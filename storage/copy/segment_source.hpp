#pragma once

#include <cstddef>
#include <vector>

#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Where a copy of a shard comes from: the store of the leader, across whatever lies between.
///
/// Threads:  one at a time, any; blocks.
class SegmentSource {
  public:
    SegmentSource() = default;
    SegmentSource(const SegmentSource&) = delete;
    SegmentSource& operator=(const SegmentSource&) = delete;
    SegmentSource(SegmentSource&&) = delete;
    SegmentSource& operator=(SegmentSource&&) = delete;
    virtual ~SegmentSource() = default;

    /// As ShardStore::list_segments.
    [[nodiscard]] virtual Result<std::vector<SegmentExtent>> list() = 0;
    /// As ShardStore::read_segment: all of the bytes, or an error. Errors: not_found only for a
    /// segment that a list from now on does not have with that hash seed.
    [[nodiscard]] virtual Result<std::vector<std::byte>> read(const SegmentRead& request) = 0;
    /// What was read of a segment does not verify: the other end is to look at its file.
    virtual void doubt(const SegmentExtent& /*extent*/) {}
};

}  // namespace millrace::storage
