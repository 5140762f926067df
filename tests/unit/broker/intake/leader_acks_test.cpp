#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/broker/intake/shard_trio.hpp"
#include "tests/unit/broker/shard_fixture.hpp"

namespace millrace::broker::testing {
namespace {

constexpr Duration moment{200'000};
constexpr Duration second{1'000'000};
constexpr std::int64_t producer = 7;

class LeaderAcksTest : public ::testing::Test {
  protected:
    LeaderAcksTest() {
        telemetry = cluster.make_topic("plant1.temperature", Durability::leader);
        orders = cluster.make_topic("plant1.orders", Durability::majority);
    }
    static std::vector<std::byte> batch(const std::string& value, std::int32_t sequence) {
        return ShardFixture::batch_of(value, producer, sequence);
    }
    [[nodiscard]] static Offset end_of(const ShardTrio::Node& node, PartitionId partition) {
        return node.shard->bounds(partition)->next;
    }

    ShardTrio cluster;
    PartitionId telemetry;
    PartitionId orders;
};

TEST_F(LeaderAcksTest, LeaderThatNobodyHearsAcksItsTopicsOfThatDurabilityAlone) {
    auto& leader = cluster.leader();
    cluster.leave_alone(leader);
    const auto measured = cluster.publish(leader, telemetry, batch("21.5", 0));
    const auto ordered = cluster.publish(leader, orders, batch("WO-1", 0));
    EXPECT_FALSE(measured->is_there);  // not before the disk
    cluster.run(moment);
    ASSERT_TRUE(measured->is_there);
    EXPECT_EQ(measured->outcome.code, Errc::ok);
    EXPECT_EQ(measured->outcome.durability, Durability::leader);
    EXPECT_FALSE(ordered->is_there);
    EXPECT_EQ(end_of(leader, telemetry), Offset{0});  // nobody reads what is not committed
    EXPECT_EQ(leader.metric("millrace_shard_leader_acks_total"), 1);
    cluster.heal();
    cluster.run(second);
    ASSERT_TRUE(ordered->is_there);
    EXPECT_EQ(ordered->outcome.code, Errc::ok);
    EXPECT_EQ(ordered->outcome.durability, Durability::majority);
    EXPECT_EQ(end_of(leader, telemetry), Offset{1});
    EXPECT_EQ(leader.metric("millrace_shard_leader_acks_unconfirmed_total"), 0);
}

TEST_F(LeaderAcksTest, LeaderThatStepsDownCountsWhatItHasAckedAndTakesNothingMore) {
    auto& leader = cluster.leader();
    cluster.leave_alone(leader);
    const auto measured = cluster.publish(leader, telemetry, batch("21.5", 0));
    const auto ordered = cluster.publish(leader, orders, batch("WO-1", 0));
    cluster.run(5 * second);
    ASSERT_TRUE(measured->is_there);
    EXPECT_EQ(measured->outcome.code, Errc::ok);
    ASSERT_TRUE(ordered->is_there);
    EXPECT_EQ(ordered->outcome.code, Errc::not_leader);
    EXPECT_EQ(leader.metric("millrace_shard_leader_acks_unconfirmed_total"), 1);
    const auto late = cluster.publish(leader, telemetry, batch("21.6", 1));
    cluster.run(moment);
    ASSERT_TRUE(late->is_there);
    EXPECT_EQ(late->outcome.code, Errc::not_leader);
}

TEST_F(LeaderAcksTest, WhatWasAckedAndLostIsAGapForTheNextLeaderUntilTheProducerBeginsAnEpoch) {
    auto& leader = cluster.leader();
    (void)cluster.publish(leader, telemetry, batch("kept", 0));
    cluster.run(second);
    cluster.cut(leader.id);
    const auto lost = cluster.publish(leader, telemetry, batch("lost", 1));
    cluster.run(3 * second);
    EXPECT_EQ(lost->outcome.code, Errc::ok);
    auto& next = cluster.leader();
    ASSERT_NE(next.id, leader.id);
    const auto again = cluster.publish(next, telemetry, batch("kept", 0));
    const auto after = cluster.publish(next, telemetry, batch("after", 2));
    cluster.run(second);
    EXPECT_TRUE(again->outcome.duplicate);
    EXPECT_EQ(after->outcome.code, Errc::sequence_out_of_order);
    EXPECT_EQ(end_of(next, telemetry), Offset{1});
    // The batch that was acked is taken when it comes again: it is nowhere.
    const auto resent = cluster.publish(next, telemetry, batch("lost", 1));
    cluster.run(second);
    EXPECT_EQ(resent->outcome.code, Errc::ok);
    EXPECT_FALSE(resent->outcome.duplicate);
    EXPECT_EQ(end_of(next, telemetry), Offset{2});
}

TEST_F(LeaderAcksTest, GapIsNotRefusedForGoodByALeaderThatMayHaveBeenReplaced) {
    auto& leader = cluster.leader();
    (void)cluster.publish(leader, telemetry, batch("kept", 0));
    (void)cluster.publish(leader, orders, batch("WO-1", 0));
    cluster.run(second);
    cluster.leave_alone(leader);
    const auto measured = cluster.publish(leader, telemetry, batch("after", 5));
    const auto ordered = cluster.publish(leader, orders, batch("WO-6", 5));
    cluster.run(moment);
    EXPECT_FALSE(measured->is_there);  // another may have what is missing here
    ASSERT_TRUE(ordered->is_there);
    EXPECT_EQ(ordered->outcome.code, Errc::sequence_out_of_order);
    cluster.run(5 * second);
    ASSERT_TRUE(measured->is_there);
    EXPECT_EQ(measured->outcome.code, Errc::not_leader);
}

TEST_F(LeaderAcksTest, RepeatsOfWhatIsUnderWayAreAnsweredAsTheirTopicAsks) {
    auto& leader = cluster.leader();
    cluster.leave_alone(leader);
    (void)cluster.publish(leader, telemetry, batch("21.5", 0));
    (void)cluster.publish(leader, orders, batch("WO-1", 0));
    cluster.run(moment);
    const auto measured = cluster.publish(leader, telemetry, batch("21.5", 0));
    const auto ordered = cluster.publish(leader, orders, batch("WO-1", 0));
    cluster.run(moment);
    ASSERT_TRUE(measured->is_there);
    EXPECT_TRUE(measured->outcome.duplicate);
    EXPECT_EQ(measured->outcome.durability, Durability::leader);
    EXPECT_FALSE(ordered->is_there);
    cluster.heal();
    cluster.run(second);
    ASSERT_TRUE(ordered->is_there);
    EXPECT_TRUE(ordered->outcome.duplicate);
}

TEST(LeaderAcks, OnANodeThatStandsAloneBothAreTheSame) {
    ShardFixture fixture;
    const auto partition = fixture.make_topic("a.b").front();
    TopicAlteration change;
    change.name = "a.b";
    change.durability = Durability::leader;
    fixture.shard->catalog().alter_topic(change, [](const auto& done) { EXPECT_TRUE(done); });
    fixture.runtime->run_until_idle();
    const auto answer = fixture.publish_now(partition, ShardFixture::batch_of("one"));
    EXPECT_EQ(answer.outcome.code, Errc::ok);
    EXPECT_EQ(answer.outcome.durability, Durability::leader);
    EXPECT_THAT(fixture.values(partition), ::testing::ElementsAre("one"));
}

}  // namespace
}  // namespace millrace::broker::testing
