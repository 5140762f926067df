#pragma once

#include "storage/index/batch_index.hpp"
#include "storage/index/key_value.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/log/state_mover.hpp"

namespace millrace::storage {

/// Gives dead segments back for use.
///
/// Place:    below the store; above index and log.
/// Promise:  a segment is recycled only when no live batch lies in it, nobody reads it, and the
///           state in it and the ends of its partitions are on disk in younger ones.
/// Threads:  the shard's.
class Recycler {
  public:
    /// `in_order`: a segment stays as long as one before it does.
    Recycler(SegmentFiles& files, StateMover& mover, bool in_order)
        : files_(files), mover_(mover), in_order_(in_order) {}

    /// Once a tick.
    void step(BatchIndex& index, KeyValueStore& rows);

  private:
    [[nodiscard]] bool is_free(SegmentSequence sequence, const SegmentRow& row);

    SegmentFiles& files_;
    StateMover& mover_;
    bool in_order_;
};

}  // namespace millrace::storage
