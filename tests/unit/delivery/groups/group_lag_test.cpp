#include "broker/delivery/groups/group_lag.hpp"

#include <gmock/gmock.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/delivery/delivery_shard.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using broker::testing::ShardFixture;
using ::testing::Pair;

class GroupLagTest : public ::testing::Test {
  protected:
    GroupLagTest() { partitions_ = fixture_.make_topic("a.b", 2); }

    void publish(PartitionId partition, int records) {
        for (int i = 0; i < records; ++i) {
            (void)fixture_.publish_now(partition, ShardFixture::batch_of("x"));
        }
    }
    void take(std::uint32_t round, const std::vector<GroupOffsets>& groups) {
        lag_.take(ShardId{0}, round, groups);
    }
    [[nodiscard]] CommittedOffset at(std::size_t partition, std::uint64_t offset) const {
        return {.partition = partitions_[partition], .offset = Offset{offset}};
    }
    /// Records and seconds.
    [[nodiscard]] std::pair<std::int64_t, std::int64_t> shown(const std::string& group) const {
        const Labels labels{{"shard", "0"}, {"group", group}};
        return {fixture_.metrics->gauge("millrace_group_lag_records", "", labels).value(),
                fixture_.metrics->gauge("millrace_group_lag_seconds", "", labels).value()};
    }

    ShardFixture fixture_;
    std::vector<PartitionId> partitions_;
    GroupLag lag_{*fixture_.shard};
};

TEST_F(GroupLagTest, AddsRecordsOfAllPartitionsAndTakesTheOldest) {
    publish(partitions_[0], 5);
    fixture_.runtime->advance(30s);
    publish(partitions_[1], 3);
    fixture_.runtime->advance(10s);
    take(0, {{.group = "g", .offsets = {at(0, 2), at(1, 1)}}});
    EXPECT_THAT(shown("g"), Pair(5, 40));
    take(0, {{.group = "g", .offsets = {at(0, 5), at(1, 1)}}});
    EXPECT_THAT(shown("g"), Pair(2, 10));
    take(0, {{.group = "g", .offsets = {at(0, 5), at(1, 3)}}});
    EXPECT_THAT(shown("g"), Pair(0, 0));
    take(0, {{.group = "g", .offsets = {at(0, 5), at(1, 99)}}});
    EXPECT_THAT(shown("g"), Pair(0, 0)) << "an administrator may seek behind the end";
}

TEST_F(GroupLagTest, AgeIsThatOfTheOffsetNowAfterASeekBack) {
    publish(partitions_[0], 1);
    fixture_.runtime->advance(20s);
    publish(partitions_[0], 1);
    take(0, {{.group = "g", .offsets = {at(0, 1)}}});
    EXPECT_THAT(shown("g"), Pair(1, 0));
    take(0, {{.group = "g", .offsets = {at(0, 0)}}});
    EXPECT_THAT(shown("g"), Pair(2, 20));
}

TEST_F(GroupLagTest, WhatRetentionHasTakenIsNotBehind) {
    publish(partitions_[0], 3);
    fixture_.finish_segment(partitions_[1]);
    fixture_.retire(partitions_[0]);
    const auto first = fixture_.shard->bounds(partitions_[0])->first;
    ASSERT_GT(first, Offset{0});
    publish(partitions_[0], 2);
    const auto next = fixture_.shard->bounds(partitions_[0])->next;
    take(0, {{.group = "g", .offsets = {at(0, 0)}}});
    EXPECT_EQ(shown("g").first, static_cast<std::int64_t>(next.value - first.value));
}

TEST_F(GroupLagTest, GroupThatIsGoneHasNoneAndThoseOfOtherRoundsStay) {
    publish(partitions_[0], 4);
    take(0, {{.group = "g", .offsets = {at(0, 0)}}});
    take(1, {{.group = "h", .offsets = {at(0, 3)}}});
    take(0, {});
    EXPECT_EQ(shown("g").first, 0);
    EXPECT_EQ(shown("h").first, 1);
}

TEST_F(GroupLagTest, GroupsBeyondTheLimitAreShownTogether) {
    publish(partitions_[0], 10);
    std::vector<GroupOffsets> groups;
    groups.reserve(GroupLag::groups_shown_max + 2);
    for (std::size_t i = 0; i < GroupLag::groups_shown_max; ++i) {
        groups.push_back({.group = "g" + std::to_string(i), .offsets = {at(0, 10)}});
    }
    take(0, groups);
    groups.push_back({.group = "one more", .offsets = {at(0, 7)}});
    groups.push_back({.group = "another", .offsets = {at(0, 6)}});
    take(0, groups);
    EXPECT_EQ(shown("(others)").first, 7);
    groups.pop_back();
    take(0, groups);
    EXPECT_EQ(shown("(others)").first, 3);
}

}  // namespace
}  // namespace millrace::broker::delivery
