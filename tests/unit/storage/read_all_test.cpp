#include <algorithm>
#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.hpp"

#include "storage/format/layout.hpp"

// Reading partitions together: what comes is what each alone would give, with the log's order
// deciding where not all of it may come.

namespace millrace::storage {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::StoreFixture;

constexpr std::uint32_t partition_count = 5;

class ReadTogether : public ::testing::Test {
  protected:
    ReadTogether() {
        EXPECT_TRUE(fixture_.open()) << fixture_.open_error->text;
        for (int i = 0; i < 500; ++i) {
            const PartitionId partition{static_cast<std::uint32_t>(i) % partition_count};
            EXPECT_TRUE(fixture_.publish(partition, std::to_string(i) + std::string(2000, '.')));
            fixture_.run();
            fixture_.clock.advance(std::chrono::milliseconds(1));
        }
        fixture_.store->tick();
        positions_.resize(partition_count);
    }

    /// One read of all partitions from where the last one ended; how much came.
    std::size_t read_on(std::size_t each_bytes_max, std::size_t runs_bytes_max) {
        std::vector<ReadRequest> requests;
        for (std::uint32_t partition = 0; partition < partition_count; ++partition) {
            requests.push_back({.partition = PartitionId{partition},
                                .from = positions_[partition],
                                .bytes_max = each_bytes_max});
        }
        std::size_t bytes = 0;
        fixture_.store->read_all(requests, runs_bytes_max, [&](auto results) {
            ASSERT_THAT(results, SizeIs(partition_count));
            for (std::size_t i = 0; i < results.size(); ++i) {
                ASSERT_TRUE(results[i]) << results[i].error().text;
                bytes += results[i].value().runs.size();
                positions_[i] = all_[i].take(results[i].value());
            }
        });
        fixture_.disk.drain();
        return bytes;
    }

    StoreFixture fixture_;
    std::vector<Offset> positions_;
    std::array<StoreFixture::ReadAll, partition_count> all_;
};

constexpr std::size_t at_once = 1_MiB;  ///< more than there is

TEST_F(ReadTogether, GivesEachPartitionWhatItGivesAlone) {
    while (read_on(/*each_bytes_max=*/8'000, at_once) > 0) {
    }
    for (std::uint32_t partition = 0; partition < partition_count; ++partition) {
        EXPECT_THAT(all_[partition].damaged, IsEmpty());
        EXPECT_EQ(all_[partition].values, fixture_.read_all(PartitionId{partition}).values);
        EXPECT_THAT(all_[partition].values, SizeIs(100));
    }
}

TEST_F(ReadTogether, WhereNotAllMayComeTheOldestInTheLogComesFirst) {
    std::size_t bytes_most = 0;
    while (const auto bytes = read_on(at_once, /*runs_bytes_max=*/30'000)) {
        bytes_most = std::max(bytes_most, bytes);
        const auto [behind, ahead] = std::ranges::minmax(positions_);
        // Nobody is left behind by more than what one read may give.
        EXPECT_LE(ahead.value - behind.value, 15U);
    }
    EXPECT_LE(bytes_most, 30'000U);
    for (const auto& one : all_) {
        EXPECT_THAT(one.values, SizeIs(100));
    }
}

TEST_F(ReadTogether, OneBatchComesHoweverLittleMayCome) {
    EXPECT_GT(read_on(/*each_bytes_max=*/1, /*runs_bytes_max=*/1), 2'000U);
    EXPECT_EQ(std::ranges::count_if(positions_, [](Offset at) { return at > Offset{0}; }), 1);
}

TEST_F(ReadTogether, DamageOfOneIsNotTheOthers) {
    fixture_.disk.flip_bit(
        "/data/shard-00/log/0000000000000001.seg", Position{4 * disk_alignment + 700}, 3);
    while (read_on(/*each_bytes_max=*/8'000, at_once) > 0) {
    }
    std::size_t damaged = 0;
    std::size_t read = 0;
    for (const auto& one : all_) {
        damaged += one.damaged.size();
        read += one.values.size();
    }
    EXPECT_EQ(damaged, 1U);
    EXPECT_EQ(read, 499U);
}

TEST_F(ReadTogether, WhatWasReadLiesTogetherInTheOrderOfTheRequests) {
    std::vector<ReadRequest> requests;
    for (const std::uint32_t number : {4U, 1U, 3U}) {
        requests.push_back({.partition = PartitionId{number}, .from = Offset{0}});
    }
    // Enough for all, and so little that each gets a share.
    for (const std::size_t bytes_max : {std::size_t{1_MiB}, std::size_t{3'000}}) {
        bool is_done = false;
        fixture_.store->read_all(requests, bytes_max, [&](auto results) {
            is_done = true;
            SharedBytes all;
            std::size_t bytes = 0;
            for (std::size_t i = 0; i < results.size(); ++i) {
                const auto& runs = results[i].value().runs;
                bytes += runs.size();
                if (all.empty()) {
                    all = runs;
                } else if (!runs.empty()) {
                    EXPECT_TRUE(all.join(runs));
                }
                if (const auto header = load_batch_header(runs)) {
                    EXPECT_EQ(header->partition, requests[i].partition);
                }
            }
            EXPECT_GT(all.size(), 0U);
            EXPECT_EQ(all.size(), bytes);
        });
        fixture_.disk.drain();
        EXPECT_TRUE(is_done);
    }
}

TEST_F(ReadTogether, WrongOffsetOfOneIsItsOwnError) {
    std::vector<ReadRequest> requests{
        {.partition = PartitionId{0}, .from = Offset{1'000}},
        {.partition = PartitionId{1}, .from = Offset{0}},
    };
    bool is_done = false;
    fixture_.store->read_all(requests, 1_MiB, [&](auto results) {
        is_done = true;
        ASSERT_FALSE(results[0]);
        EXPECT_EQ(results[0].error().code, Errc::offset_out_of_range);
        ASSERT_TRUE(results[1]);
        EXPECT_FALSE(results[1].value().runs.empty());
    });
    fixture_.disk.drain();
    EXPECT_TRUE(is_done);
}

}  // namespace
}  // namespace millrace::storage
