#include "broker/delivery/groups/consumer_groups.hpp"

#include <gmock/gmock.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/delivery_shard.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using broker::testing::ShardFixture;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ConsumerGroupsTest : public ::testing::Test {
  protected:
    ConsumerGroupsTest()
        : fixture_(1, [this](Shard& shard) {
              delivery_.reset();
              delivery_ = make_delivery_shard(shard, table_);
              table_.shards = {delivery_.get()};
          }) {
        partitions_ = fixture_.make_topic("a.b", 2);
    }
    ~ConsumerGroupsTest() override { delivery_.reset(); }
    ConsumerGroupsTest(const ConsumerGroupsTest&) = delete;
    ConsumerGroupsTest& operator=(const ConsumerGroupsTest&) = delete;
    ConsumerGroupsTest(ConsumerGroupsTest&&) = delete;
    ConsumerGroupsTest& operator=(ConsumerGroupsTest&&) = delete;

    ConsumerGroups& groups() { return delivery_->groups(); }
    Result<JoinAnswer> try_join(const std::string& group,
                                const std::string& member = {},
                                std::chrono::milliseconds timeout = 10s) {
        return groups().join({.group = group,
                              .member_id = member,
                              .client_name = "c",
                              .peer = "p",
                              .topics = {"a.>"},
                              .session_timeout = timeout});
    }
    JoinAnswer join(const std::string& group, const std::string& member = {}) {
        const auto joined = try_join(group, member);
        EXPECT_TRUE(joined) << joined.error().text;
        return joined.value();
    }
    Result<void> commit(OffsetCommit request) {
        auto answer = std::make_shared<Result<void>>(fail(Errc::timed_out, "no answer"));
        groups().commit(std::move(request), [answer](auto done) { *answer = done; });
        fixture_.runtime->run_until_idle();
        return *answer;
    }
    Result<void> commit(const JoinAnswer& as, PartitionId partition, std::uint64_t offset) {
        return commit({.group = "g",
                       .member_id = as.member_id,
                       .generation = as.generation,
                       .offsets = {{.partition = partition, .offset = Offset{offset}}}});
    }
    Result<void> seek(const std::string& group, PartitionId partition, std::uint64_t offset) {
        return commit({.group = group,
                       .member_id = {},
                       .offsets = {{.partition = partition, .offset = Offset{offset}}}});
    }
    std::optional<std::uint64_t> committed(PartitionId partition) {
        const auto offsets = groups().offsets("g");
        for (const auto& one : offsets ? offsets.value() : std::vector<CommittedOffset>()) {
            if (one.partition == partition) {
                return one.offset.value;
            }
        }
        return std::nullopt;
    }
    void delete_topic() const {
        fixture_.shard->catalog().delete_topic("a.b", [](const auto& done) { ASSERT_TRUE(done); });
        fixture_.runtime->run_until_idle();
    }

    DeliveryTable table_;
    std::unique_ptr<DeliveryShard> delivery_;
    broker::testing::ShardFixture fixture_;
    std::vector<PartitionId> partitions_;
};

TEST_F(ConsumerGroupsTest, AMemberCommitsBeforeItJoinsTheNewGeneration) {
    const auto first = join("g");
    ASSERT_THAT(first.partitions, SizeIs(2));
    ASSERT_TRUE(commit(first, partitions_[0], 5));
    // Nothing changes hands: the second takes what is given to nobody here.
    const auto other = groups().join({.group = "g",
                                      .member_id = {},
                                      .client_name = "o",
                                      .peer = "p",
                                      .topics = {"z"},
                                      .session_timeout = 10s});
    ASSERT_TRUE(other);
    EXPECT_EQ(groups().heartbeat("g", first.member_id, first.generation).error().code,
              Errc::rebalancing);
    const auto done = commit(first, partitions_[0], 9);
    EXPECT_TRUE(done) << done.error().text;
    const auto again = join("g", first.member_id);
    ASSERT_THAT(again.committed, SizeIs(1));
    EXPECT_EQ(again.committed[0].offset, Offset{9});
}

TEST_F(ConsumerGroupsTest, WhatAnotherMemberWasGivenIsLeftOutAndTheRestIsKept) {
    const auto first = join("g");
    const auto second = join("g");
    ASSERT_THAT(second.partitions, SizeIs(1));
    const auto taken = second.partitions[0];
    const auto kept = taken == partitions_[0] ? partitions_[1] : partitions_[0];
    ASSERT_TRUE(commit(second, taken, 7));
    const auto done = commit({.group = "g",
                              .member_id = first.member_id,
                              .generation = first.generation,
                              .offsets = {{.partition = taken, .offset = Offset{3}},
                                          {.partition = kept, .offset = Offset{4}}}});
    EXPECT_EQ(done.error().code, Errc::rebalancing);
    EXPECT_EQ(committed(taken), 7U) << "the new owner's offset stays";
    EXPECT_EQ(committed(kept), 4U);
}

TEST_F(ConsumerGroupsTest, UntilTheNewOwnerHasJoinedTheOldOneCommits) {
    const auto first = join("g");
    const auto second = join("g");
    const auto third = join("g");
    ASSERT_THAT(third.partitions, IsEmpty());
    // What the second has is the third's from here on, which does not know it yet.
    groups().leave("g", first.member_id);
    const auto own = second.partitions.at(0);
    EXPECT_TRUE(commit(second, own, 11));
    const auto taken = join("g", third.member_id);
    ASSERT_THAT(taken.partitions, ElementsAre(own));
    EXPECT_EQ(taken.committed.at(0).offset, Offset{11});
    EXPECT_EQ(commit(second, own, 12).error().code, Errc::rebalancing);
    EXPECT_EQ(commit(first, own, 1).error().code, Errc::rebalancing) << "it has left";
    EXPECT_EQ(committed(own), 11U);
}

TEST_F(ConsumerGroupsTest, AMemberThatWentSilentCommitsNothingMore) {
    const auto joined = join("g");
    fixture_.runtime->advance(11s);
    EXPECT_EQ(commit(joined, partitions_[0], 5).error().code, Errc::rebalancing);
    EXPECT_FALSE(groups().offsets("g"));
}

TEST_F(ConsumerGroupsTest, SessionTimeoutsHaveLimits) {
    EXPECT_TRUE(try_join("g", {}, ConsumerGroups::session_timeout_min));
    EXPECT_TRUE(try_join("g", {}, ConsumerGroups::session_timeout_max));
    for (const auto timeout : {0ms,
                               ConsumerGroups::session_timeout_min - 1ms,
                               ConsumerGroups::session_timeout_max + 1ms}) {
        const auto refused = try_join("h", {}, timeout);
        EXPECT_EQ(refused.error().code, Errc::invalid_argument);
        EXPECT_THAT(refused.error().text, HasSubstr("session_timeout_max 1800000 ms"));
    }
    EXPECT_THAT(groups().list(), SizeIs(1)) << "the other never came to be";
}

TEST_F(ConsumerGroupsTest, ASeekOfAnUnknownPartitionIsRefusedAndLeavesNoGroup) {
    const auto refused = seek("g", PartitionId{4'000}, 1);
    EXPECT_EQ(refused.error().code, Errc::unknown_partition);
    EXPECT_THAT(groups().list(), IsEmpty());
    EXPECT_TRUE(seek("g", partitions_[0], 1));
    EXPECT_THAT(groups().list(), SizeIs(1));
}

TEST_F(ConsumerGroupsTest, AGroupWithoutMembersAndOffsetsIsForgotten) {
    const auto left = join("g");
    groups().leave("g", left.member_id);
    EXPECT_THAT(groups().list(), IsEmpty());
    join("g");
    fixture_.runtime->advance(11s);
    EXPECT_THAT(groups().list(), IsEmpty());
}

TEST_F(ConsumerGroupsTest, OffsetsGoWithTheirTopicAndTheGroupWithThem) {
    ASSERT_TRUE(seek("g", partitions_[0], 3));
    delete_topic();
    EXPECT_THAT(groups().list(), IsEmpty());
    const auto row = fixture_.shard->store().get_state("o/g");
    ASSERT_TRUE(row);
    EXPECT_FALSE(row.value()) << "the row is gone too";
}

TEST_F(ConsumerGroupsTest, LagIsShownAndGoesWithTheGroup) {
    for (const auto* const value : {"one", "two", "three"}) {
        (void)fixture_.publish_now(partitions_[0], ShardFixture::batch_of(value));
    }
    const auto lag = [this] {
        fixture_.runtime->advance(2s);
        const Labels labels{{"shard", "0"}, {"group", "g"}};
        return fixture_.metrics->gauge("millrace_group_lag_records", "", labels).value();
    };
    ASSERT_TRUE(seek("g", partitions_[0], 1));
    EXPECT_EQ(lag(), 2);
    ASSERT_TRUE(seek("g", partitions_[0], 3));
    EXPECT_EQ(lag(), 0);
    ASSERT_TRUE(seek("g", partitions_[0], 0));
    EXPECT_EQ(lag(), 3);
    delete_topic();
    EXPECT_EQ(lag(), 0);
}

TEST_F(ConsumerGroupsTest, AtTheLimitOfGroupsNeitherJoinNorSeekMakesAnother) {
    for (std::size_t i = 1; i < ConsumerGroups::groups_max; ++i) {
        ASSERT_TRUE(try_join("g" + std::to_string(i)));
    }
    EXPECT_TRUE(seek("last", partitions_[0], 1));
    for (const auto& refused :
         {seek("more", partitions_[0], 1), Result<void>(try_join("more").error())}) {
        EXPECT_EQ(refused.error().code, Errc::limit_reached);
        EXPECT_THAT(refused.error().text, HasSubstr("limit groups_max of 10000"));
    }
    EXPECT_TRUE(seek("last", partitions_[0], 2)) << "one that exists goes on";
}

}  // namespace
}  // namespace millrace::broker::delivery
