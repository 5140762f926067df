#include "broker/delivery/reading/read_ahead.hpp"

#include <gmock/gmock.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/delivery/reading/fetch.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using broker::testing::ShardFixture;
using Results = std::vector<Result<storage::ReadResult>>;

constexpr std::size_t value_bytes = 200'000;
constexpr std::size_t chunk_bytes = 1'200'000;  ///< five batches of one value
constexpr std::uint64_t batch_count = 18;
/// Of which the last are still in memory.
constexpr std::uint64_t old_count = 15;

struct ReadAheadTest : ::testing::Test {
    ReadAheadTest() {
        for (std::uint64_t i = 0; i < batch_count; ++i) {
            const auto value = std::string(value_bytes, static_cast<char>('a' + i));
            fixture.publish_now(partition, ShardFixture::batch_of(value));
        }
    }
    [[nodiscard]] std::uint64_t count_of(const std::string& what) const {
        return fixture.metrics
            ->counter("millrace_read_ahead_" + what + "_total", "", shard_label(ShardId{0}))
            .value();
    }
    [[nodiscard]] std::int64_t held_gauge() const {
        return fixture.metrics->gauge("millrace_read_ahead_held_bytes", "", shard_label(ShardId{0}))
            .value();
    }
    [[nodiscard]] ReadAhead::Requests from(std::uint64_t offset,
                                           std::size_t bytes_max = chunk_bytes) const {
        return {{.partition = partition, .from = Offset{offset}, .bytes_max = bytes_max}};
    }
    /// What `reader` gives; the turns of the runtime are over then.
    Result<storage::ReadResult> read(ReadAhead& reader, const ReadAhead::Requests& requests) {
        Results got;
        reader.read_all(requests, chunk_bytes, [&](Results results) { got = std::move(results); });
        fixture.runtime->run_until_idle();
        EXPECT_EQ(got.size(), 1U);
        return std::move(got.at(0));
    }
    /// Records that a fetch brings; the next one is asked for where they end.
    std::uint64_t fetch(Fetcher& fetcher, std::uint64_t offset) {
        std::uint64_t records = 0;
        fetcher.start({.wanted = {{.partition = partition,
                                   .offset = Offset{offset},
                                   .bytes_max = chunk_bytes}},
                       .bytes_min = 1,
                       .bytes_max = chunk_bytes,
                       .wait_max = 1s},
                      [&](const std::vector<Fetched>& got) {
                          ASSERT_EQ(got.size(), 1U);
                          EXPECT_FALSE(got[0].error);
                          records = got[0].record_count;
                      });
        fixture.runtime->run_until_idle();
        return records;
    }

    ShardFixture fixture;
    PartitionId partition = fixture.make_topic("a.b").front();
    ReadAhead ahead{*fixture.shard};
};

TEST_F(ReadAheadTest, WhoReadsOldRecordsInOrderFindsThemRead) {
    Fetcher fetcher{*fixture.shard};
    std::uint64_t offset = fetch(fetcher, 0);
    EXPECT_EQ(count_of("used"), 0U);
    std::uint64_t fetches = 1;
    for (; offset < batch_count; ++fetches) {
        offset += fetch(fetcher, offset);
    }
    EXPECT_EQ(offset, batch_count);
    EXPECT_GE(count_of("used"), 2U);
    EXPECT_LT(count_of("used"), fetches);
}

TEST_F(ReadAheadTest, WhatWasReadIsWhatTheStoreGives) {
    ahead.begin(from(3), chunk_bytes);
    const auto found = read(ahead, from(3));
    const auto anew = read(ahead, from(3));
    ASSERT_TRUE(found);
    ASSERT_TRUE(anew);
    EXPECT_EQ(count_of("used"), 1U);
    EXPECT_EQ(found.value().next, anew.value().next);
    EXPECT_TRUE(std::ranges::equal(std::span<const std::byte>(found.value().runs),
                                   std::span<const std::byte>(anew.value().runs)));
}

TEST_F(ReadAheadTest, WhoAsksWhileTheDiskReadsGetsThat) {
    int answers = 0;
    ahead.begin(from(3), chunk_bytes);
    ahead.read_all(
        from(3), chunk_bytes, [&](const Results& results) { answers += results.at(0) ? 1 : 0; });
    EXPECT_EQ(answers, 0);
    fixture.runtime->run_until_idle();
    EXPECT_EQ(answers, 1);
    EXPECT_EQ(count_of("used"), 1U);
}

TEST_F(ReadAheadTest, SmallerReadsAndOtherPlacesAreReadAnew) {
    ahead.begin(from(3), chunk_bytes);
    fixture.runtime->run_until_idle();
    const auto smaller = read(ahead, from(3, 1'000));
    ASSERT_TRUE(smaller);
    EXPECT_EQ(smaller.value().next, Offset{4});
    EXPECT_TRUE(read(ahead, from(4)));
    EXPECT_EQ(count_of("used"), 0U);
}

TEST_F(ReadAheadTest, WhatNobodyAsksForGoes) {
    ahead.begin(from(3), chunk_bytes);
    fixture.runtime->run_until_idle();
    EXPECT_GT(ahead.held_bytes(), value_bytes);
    fixture.runtime->advance(2 * ReadAhead::held_time_max);
    EXPECT_EQ(ahead.held_bytes(), 0U);
    EXPECT_EQ(held_gauge(), 0);
    EXPECT_EQ(count_of("unused"), 1U);
}

TEST_F(ReadAheadTest, HoldsNoMoreThanItMay) {
    ReadAhead small(*fixture.shard, 2 * chunk_bytes);
    small.begin(from(0), chunk_bytes);
    small.begin(from(5), chunk_bytes);
    EXPECT_EQ(small.held_bytes(), 2 * chunk_bytes);
    EXPECT_EQ(count_of("refused"), 0U);
    small.begin(from(10), chunk_bytes);
    EXPECT_EQ(small.held_bytes(), 2 * chunk_bytes);
    EXPECT_EQ(count_of("refused"), 1U);
    fixture.runtime->run_until_idle();
}

TEST_F(ReadAheadTest, ReadsNothingAheadOfSmallReads) {
    ahead.begin(from(0), ReadAhead::chunk_bytes_min - 1);
    EXPECT_EQ(ahead.held_bytes(), 0U);
}

TEST_F(ReadAheadTest, WhatRetentionTookMeanwhileIsGone) {
    ahead.begin(from(0), chunk_bytes);
    fixture.finish_segment(fixture.make_topic("c.d").front());
    fixture.retire(partition);
    const auto found = read(ahead, from(0));
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, Errc::offset_out_of_range);
}

TEST_F(ReadAheadTest, RecordsInMemoryAreNotReadAhead) {
    Fetcher fetcher{*fixture.shard};
    const auto got = fetch(fetcher, old_count + 1);
    EXPECT_EQ(got, batch_count - old_count - 1);
    EXPECT_EQ(held_gauge(), 0);
}

}  // namespace
}  // namespace millrace::broker::delivery
