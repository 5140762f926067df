#pragma once

#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/random.hpp"
#include "storage/index/batch_index.hpp"

namespace millrace::storage::testing {

/// An index of several segments, the last of which is not sealed, and beside it what it was given.
class IndexFixture : public ::testing::Test {
  protected:
    IndexFixture();
    /// A new index over the rows that are there.
    void open();
    void add(PartitionId to, std::uint32_t records, UnixMicros at);
    void seal();
    /// Batches of 1 to 3 records whose times stand still now and then.
    void add_many(std::size_t batches);
    /// Three sealed segments and one that is not.
    void fill();
    /// The batches of `partition` in a sealed segment, as many bytes further on.
    void move_segment(SegmentSequence moved, std::uint64_t bytes);

    static constexpr PartitionId partition{7};
    static constexpr PartitionId other{8};
    static constexpr UnixMicros begin_us = 1'000;
    Random random{5};
    std::unique_ptr<KeyValueStore> store;
    MetricsRegistry metrics;
    ChunkCache cache{ShardId{0}, metrics};
    std::unique_ptr<BatchIndex> index;
    SegmentSequence segment{1};
    Position position{0};
    UnixMicros time_us = begin_us;
    std::vector<BatchEntry> given;  ///< of `partition`
};

}  // namespace millrace::storage::testing
