#include "storage/log/recovery.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.hpp"

#include "storage/format/layout.hpp"

namespace millrace::storage::testing {
namespace {

constexpr PartitionId seven{7};
constexpr std::size_t in_a_segment = 64_KiB / disk_alignment - 1;  ///< commits of one block

std::string segment_path(std::size_t number) {
    return "/data/shard-00/log/000000000000000" + std::to_string(number) + ".seg";
}

class RecoveryTest : public ::testing::Test {
  protected:
    RecoveryTest() {
        fixture.options.first_segment_bytes = fixture.options.segment_bytes;
        EXPECT_TRUE(fixture.open());
    }

    /// Each a commit of one block.
    void publish(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            published.push_back(std::to_string(published.size()) + std::string(3'000, '.'));
            ASSERT_TRUE(fixture.publish(seven, published.back()));
            fixture.run();
        }
    }
    void reopen() {
        fixture.close();
        ASSERT_TRUE(fixture.open());
    }
    /// What a power loss with two commits in flight leaves, the first of them torn.
    void tear_the_last_but_one() {
        const auto block = 1 + published.size() % in_a_segment - 2;
        fixture.disk.flip_bit(segment_path(1), Position{block * disk_alignment + 1'000}, 1);
        reopen();
        published.resize(published.size() - 2);
        ASSERT_EQ(fixture.read_all(seven).values, published);
    }
    [[nodiscard]] std::uint64_t quarantined() const {
        return fixture.store->stats().frames_quarantined;
    }

    StoreFixture fixture;
    std::vector<std::string> published;
};

TEST_F(RecoveryTest, WhatAnEarlierLifeDidNotWriteToComesBack) {
    for (std::size_t life = 1; life <= 3; ++life) {
        publish(3);
        reopen();
        fixture.run_turns(20);
        EXPECT_EQ(fixture.disk.contents(segment_path(life)).size(), 4 * disk_alignment)
            << "the header and three commits";
    }
    EXPECT_EQ(fixture.read_all(seven).values, published);
    EXPECT_EQ(fixture.scan_all(0).values, published);
    fixture.options.rebuild_index = true;
    reopen();
    EXPECT_EQ(fixture.read_all(seven).values, published);
    EXPECT_EQ(quarantined(), 0U);
    publish(3);
    EXPECT_EQ(fixture.read_all(seven).values, published);
}

TEST_F(RecoveryTest, WhatLiesBehindATornTailIsKept) {
    publish(3);
    const auto torn = Position{3 * disk_alignment + 1'000};
    fixture.disk.flip_bit(segment_path(1), torn, 1);
    const auto bytes = fixture.disk.contents(segment_path(1));
    reopen();
    fixture.run_turns(20);
    published.pop_back();
    EXPECT_EQ(fixture.read_all(seven).values, published);
    const auto left = fixture.disk.contents(segment_path(1));
    ASSERT_GE(left.size(), 4 * disk_alignment);
    EXPECT_TRUE(std::equal(left.begin(), left.end(), bytes.begin()));
}

TEST_F(RecoveryTest, SegmentsMadeLargerThanIsSetNowAreReadToTheirEnd) {
    publish(12);
    fixture.options.segment_bytes = 16_KiB;
    reopen();
    EXPECT_EQ(fixture.read_all(seven).values, published);
    publish(10);
    reopen();
    EXPECT_EQ(fixture.read_all(seven).values, published);
    EXPECT_EQ(fixture.scan_all(0).values, published);
    EXPECT_EQ(quarantined(), 0U);
}

TEST_F(RecoveryTest, FirstSegmentIsSmallAndEachBehindItIsTwiceAsLarge) {
    fixture.options.first_segment_bytes = 16_KiB;
    fixture.options.segment_bytes = 48_KiB;
    reopen();  // the one that lies ready is of another size, and not used again
    publish(40);
    EXPECT_EQ(fixture.disk.contents(segment_path(2)).size(), 16_KiB);
    EXPECT_EQ(fixture.disk.contents(segment_path(3)).size(), 32_KiB);
    EXPECT_EQ(fixture.disk.contents(segment_path(4)).size(), 48_KiB);
    EXPECT_EQ(fixture.disk.contents(segment_path(5)).size(), 48_KiB);
    reopen();
    EXPECT_EQ(fixture.read_all(seven).values, published);
    EXPECT_EQ(fixture.scan_all(0).values, published);
    EXPECT_EQ(quarantined(), 0U);
}

TEST_F(RecoveryTest, SegmentsOfAnotherSizeAreNotUsedAgain) {
    publish(2 * in_a_segment);
    ASSERT_TRUE(fixture.store->drop_partition(seven));
    fixture.run_turns(5);
    ASSERT_GT(fixture.store->stats().segments_free, 0U);
    fixture.options.segment_bytes = 128_KiB;
    reopen();
    EXPECT_EQ(fixture.store->stats().segments_free, 0U);
    published.clear();
    publish(60);
    reopen();
    std::uint64_t bytes = 0;
    for (const auto& path : fixture.disk.paths()) {
        bytes += path.ends_with(".seg") ? fixture.disk.contents(path).size() : 0;
    }
    EXPECT_EQ(fixture.store->stats().log_bytes, bytes);
}

TEST_F(RecoveryTest, DamagedFrameAtTheEndOfAFullSegmentIsDamageAndNoTornTail) {
    publish(2 * in_a_segment + 3);
    fixture.disk.flip_bit(segment_path(1), Position{in_a_segment * disk_alignment + 1'000}, 1);
    reopen();
    EXPECT_EQ(quarantined(), 1U);
    EXPECT_EQ(fixture.store->stats().torn_tails_cut, 0U);
    EXPECT_EQ(fixture.read_all(seven).values.size(), published.size() - 1);
}

TEST_F(RecoveryTest, DamagedCommitAtTheEndOfAFullSegmentIsDamageAndNoTornTail) {
    publish(2 * in_a_segment + 3);
    for (const auto block : {in_a_segment - 1, in_a_segment}) {
        fixture.disk.flip_bit(segment_path(1), Position{block * disk_alignment + 20}, 1);
    }
    reopen();
    EXPECT_EQ(quarantined(), 1U);
    EXPECT_EQ(fixture.store->stats().torn_tails_cut, 0U);
    EXPECT_EQ(fixture.read_all(seven).values.size(), published.size() - 2);
}

TEST_F(RecoveryTest, EndThatAnEarlierLifeLeftIsKnownByWhereTheNextBegan) {
    publish(6);
    reopen();
    publish(3);
    fixture.disk.flip_bit(segment_path(1), Position{6 * disk_alignment + 1'000}, 1);
    reopen();
    EXPECT_EQ(quarantined(), 1U);
    EXPECT_EQ(fixture.read_all(seven).values.size(), published.size() - 1);
}

TEST_F(RecoveryTest, TailThatWasCutStaysCutAndIsNotReplayed) {
    publish(6);
    tear_the_last_but_one();
    EXPECT_EQ(fixture.store->stats().torn_tails_cut, 1U);
    publish(6);  // takes the sequences of what was cut
    EXPECT_EQ(fixture.scan_all(0).values, published);
    reopen();
    EXPECT_EQ(fixture.read_all(seven).values, published);
    EXPECT_EQ(fixture.scan_all(0).values, published);
    EXPECT_EQ(quarantined(), 0U);
}

}  // namespace
}  // namespace millrace::storage::testing
