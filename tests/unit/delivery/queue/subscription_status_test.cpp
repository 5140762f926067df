#include "broker/delivery/subscription_status.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

SubscriptionProgress progress(std::uint64_t in_flight, UnixMicros next_retry_us) {
    SubscriptionProgress made;
    made.in_flight = in_flight;
    made.next_retry_us = next_retry_us;
    made.consumers = 1;
    made.letters_by_cause[4] = in_flight;
    made.partitions.push_back({.partition = PartitionId{1}});
    return made;
}

TEST(SubscriptionStatus, CountsAddUpAndTheWorstCircuitShows) {
    auto one = progress(2, 0);
    one.lag_us = 5;
    one.circuit = Circuit::open;
    one.reason = "refused";
    one.circuit_changes.push_back({.time_us = 9});
    auto other = progress(3, 70);
    other.lag_us = 9;
    const auto status =
        join_progress(std::make_shared<SubscriptionInfo>(), {other, std::nullopt, one});
    EXPECT_EQ(status.total.in_flight, 5U);
    EXPECT_EQ(status.total.consumers, 1U);
    EXPECT_EQ(status.total.lag_us, 9);
    EXPECT_EQ(status.total.next_retry_us, 70);
    EXPECT_EQ(status.total.letters_by_cause[4], 5U);
    EXPECT_EQ(status.total.partitions.size(), 2U);
    EXPECT_EQ(status.total.circuit, Circuit::open);
    EXPECT_EQ(status.total.reason, "refused");
    ASSERT_EQ(status.circuit_changes.size(), 1U);
    EXPECT_EQ(status.circuit_changes.front().first, ShardId{2});
}

TEST(SubscriptionStatus, ReasonsOfAllShardsShowAndWhatIsStoppedComesFirst) {
    auto waits = progress(0, 70);
    waits.reason = "waiting for a retry";
    auto stopped = progress(0, 80);
    stopped.stopped_reason = "mapping m.yaml:2 is stopped, authorization: no";
    stopped.reason = "waiting for a retry";
    const auto info = std::make_shared<SubscriptionInfo>();
    const auto reason = [&info](const std::vector<std::optional<SubscriptionProgress>>& shards) {
        return join_progress(info, shards).total.reason;
    };
    EXPECT_EQ(reason({waits, stopped, stopped, progress(0, 0)}),
              "mapping m.yaml:2 is stopped, authorization: no; waiting for a retry");
    std::vector<std::optional<SubscriptionProgress>> many;
    for (const auto* const text : {"a", "b", "c", "d"}) {
        many.emplace_back(progress(0, 0))->reason = text;
    }
    EXPECT_EQ(reason(many), "a; b; c; d");
    many.emplace_back(stopped);
    EXPECT_EQ(reason(many), "mapping m.yaml:2 is stopped, authorization: no; a; b; c; and 2 more");
}

TEST(SubscriptionStatus, IsDrainedOnceEveryShardIs) {
    auto info = std::make_shared<SubscriptionInfo>();
    info->draining = true;
    info->pause_reason = "upgrade";
    auto one = progress(0, 0);
    one.drained_us = 50;
    auto other = progress(1, 0);
    EXPECT_EQ(join_progress(info, {one, other}).total.reason, "draining, in flight: 1: upgrade");
    EXPECT_FALSE(join_progress(info, {one, other}).total.drained_us);
    other.drained_us = 60;
    EXPECT_EQ(join_progress(info, {one, other}).total.drained_us, 60);
    EXPECT_FALSE(join_progress(info, {one, std::nullopt}).total.drained_us);
}

TEST(SubscriptionStatus, SaysThatNobodyConsumes) {
    EXPECT_EQ(join_progress(std::make_shared<SubscriptionInfo>(), {std::nullopt}).total.reason,
              "no consumer is connected");
}

}  // namespace
}  // namespace millrace::broker::delivery
