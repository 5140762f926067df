#include "storage/index/chunk_cache.hpp"

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "storage/base/units.hpp"

namespace millrace::storage {
namespace {

std::string row_of(SegmentSequence segment, Offset first) {
    Chunk chunk{.segment = segment, .live_bytes = 0, .entries = {}};
    for (std::uint64_t i = 0; i < 100; ++i) {
        chunk.entries.push_back({.base_offset = first + i,
                                 .record_count = 1,
                                 .run_bytes = 400,
                                 .position = 40'000 * i,
                                 .append_time_us = 1});
    }
    return format_chunk(chunk);
}

class ChunkCacheTest : public ::testing::Test {
  protected:
    static constexpr std::size_t limit = 64_KiB;
    void add(std::uint32_t partition, Offset first = {}, std::uint64_t segment = 1) {
        cache.add(rows[partition], first, row_of(SegmentSequence{segment}, first));
    }
    /// A read of each partition in turn; returns how many found their row.
    std::size_t read_all(std::uint32_t partitions) {
        std::size_t hits = 0;
        for (std::uint32_t i = 0; i < partitions; ++i) {
            auto* const row = cache.find(rows[i], Offset{5});
            if (row != nullptr) {
                cache.note_use(*row);
                ++hits;
            } else {
                add(i);
            }
        }
        return hits;
    }
    bool has(std::uint32_t partition, Offset offset = {}) {
        return cache.find(rows[partition], offset) != nullptr;
    }

    MetricsRegistry metrics;
    std::map<std::uint32_t, ChunkCache::Rows> rows;  ///< by partition
    ChunkCache cache{ShardId{0}, metrics, limit};
};

TEST_F(ChunkCacheTest, FindsTheLastRowThatBeginsNotBehindTheOffset) {
    add(1, Offset{200});
    add(1, Offset{100});
    EXPECT_EQ(cache.find(rows[1], Offset{99}), nullptr);
    EXPECT_EQ(cache.find(rows[1], Offset{100})->first, Offset{100});
    EXPECT_EQ(cache.find(rows[1], Offset{199})->first, Offset{100});
    EXPECT_EQ(cache.find(rows[1], Offset{5'000})->first, Offset{200});
    EXPECT_EQ(cache.find(rows[2], Offset{100}), nullptr);
}

TEST_F(ChunkCacheTest, RowTakesThePlaceOfAnOlderOne) {
    add(1, Offset{100}, 1);
    const auto bytes = cache.bytes();
    add(1, Offset{100}, 2);
    EXPECT_EQ(cache.size(), 1U);
    EXPECT_EQ(cache.bytes(), bytes);
    EXPECT_EQ(cache.find(rows[1], Offset{100})->at.segment(), SegmentSequence{2});
}

TEST_F(ChunkCacheTest, KeepsToItsLimitAndSaysHowMuchItHolds) {
    std::size_t bytes_max = 0;
    for (int round = 0; round < 20; ++round) {
        (void)read_all(200);
        bytes_max = std::max(bytes_max, cache.bytes());
    }
    EXPECT_LE(bytes_max, limit);
    EXPECT_GT(bytes_max, limit - 2_KiB);
    const auto samples = metrics.samples();
    const auto held =
        std::ranges::find(samples, "millrace_storage_index_rows_held_bytes", &MetricSample::name);
    ASSERT_NE(held, samples.end());
    EXPECT_EQ(held->value, static_cast<double>(cache.bytes()));
}

TEST_F(ChunkCacheTest, AtTheLimitSomeRowsStayWhileMorePartitionsAreReadInTurns) {
    (void)read_all(200);
    const auto held = cache.size();
    ASSERT_LT(held, 100U);
    for (int round = 0; round < 10; ++round) {
        EXPECT_EQ(read_all(200), held) << round;
    }
}

TEST_F(ChunkCacheTest, RowsThatAreNotUsedAnyMoreMakeRoom) {
    (void)read_all(200);
    const auto held = static_cast<std::uint32_t>(cache.size());
    EXPECT_TRUE(has(0, Offset{5}));
    for (std::uint32_t i = 0; i < 20 * held; ++i) {
        const auto partition = 1'000 + i % 10;
        if (auto* const row = cache.find(rows[partition], Offset{5})) {
            cache.note_use(*row);
        } else {
            add(partition);
        }
    }
    EXPECT_TRUE(has(1'000) && has(1'009));
    EXPECT_FALSE(has(0));
    EXPECT_LE(cache.bytes(), limit);
}

TEST_F(ChunkCacheTest, RowThatIsLargerThanTheLimitIsNotKept) {
    ChunkCache tiny(ShardId{1}, metrics, 100);
    tiny.add(rows[1], Offset{0}, row_of(SegmentSequence{1}, Offset{0}));
    EXPECT_EQ(tiny.size(), 0U);
    EXPECT_EQ(tiny.bytes(), 0U);
}

TEST_F(ChunkCacheTest, DropsAPartitionOrASegmentAndNothingElse) {
    add(1, Offset{0}, 1);
    add(1, Offset{100}, 2);
    add(2, Offset{0}, 2);
    add(3, Offset{0}, 3);
    cache.drop_segment(SegmentSequence{2});
    EXPECT_TRUE(has(1) && has(3));
    EXPECT_FALSE(has(2));
    EXPECT_EQ(cache.find(rows[1], Offset{150})->first, Offset{0});
    cache.drop(rows[1]);
    EXPECT_FALSE(has(1));
    EXPECT_TRUE(has(3));
    cache.drop(rows[3]);
    EXPECT_EQ(cache.bytes(), 0U);
}

TEST_F(ChunkCacheTest, RowRemembersHowFarItWasRead) {
    add(1, Offset{100});
    auto& row = *cache.find(rows[1], Offset{150});
    for (int i = 0; i < 50; ++i) {
        ASSERT_TRUE(row.at.next());
    }
    row.at_offset = Offset{150};
    EXPECT_EQ(row.reader_for(Offset{150}).next()->base_offset, Offset{150});
    EXPECT_EQ(row.reader_for(Offset{170}).next()->base_offset, Offset{150});
    EXPECT_EQ(row.reader_for(Offset{149}).next()->base_offset, Offset{100});
}

}  // namespace
}  // namespace millrace::storage
