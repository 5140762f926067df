#include "broker/shard/intake/publish_gate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

namespace millrace::broker::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::size_t batch_bytes = 1'000;
constexpr std::size_t no_rate = 1'000'000'000'000;  ///< its slices take no time

class PublishGateTest : public ::testing::Test {
  protected:
    PublishGateTest() {
        options.publish = {.bytes_pending_max = 100'000,
                           .bulk_share_percent = 50,
                           .standard_share_percent = 75,
                           .ahead_bytes_max = 10'000,
                           .ahead_yielding_bytes_max = 2'500,
                           .bulk_yielding_bytes_per_second = no_rate};
    }

    /// Goes on or waits as the gate says; what it said.
    Result<PublishGate::Verdict> come(std::uint32_t partition, Criticality criticality) {
        const PublishBatch batch{.partition = PartitionId{partition}, .batch = bytes};
        gate.look_at_clock();
        auto verdict = gate.judge(batch, criticality);
        if (verdict && verdict.value() == PublishGate::Verdict::hold) {
            gate.hold(batch, criticality, {.call = call, .index = 0});
        } else if (verdict) {
            go_on(criticality);
        }
        return verdict;
    }
    void go_on(Criticality criticality) {
        queue.add({.header = {.record_count = 1, .batch_bytes = batch_bytes},
                   .bytes = bytes,
                   .sent_record_count = 1,
                   .criticality = criticality},
                  {.call = call, .index = 0});
    }
    /// How many of the class come in before one waits.
    int count_entering(Criticality criticality) {
        int count = 0;
        const auto partition = 10U + static_cast<std::uint32_t>(criticality);
        while (come(partition, criticality).value() == PublishGate::Verdict::enter) {
            ++count;
        }
        return count;
    }
    void make_durable() {
        queue.flush();
        for (const auto& done : std::exchange(proposals, {})) {
            done(RaftIndex{1});
        }
    }
    /// Partitions of what may go on now; none of it goes to the log.
    std::vector<std::uint32_t> take_all() {
        std::vector<std::uint32_t> taken;
        while (const auto held = gate.take()) {
            taken.push_back(held->partition.value);
        }
        return taken;
    }

    ManualClock clock;
    MetricsRegistry metrics;
    ShardOptions options;
    std::vector<std::byte> bytes = std::vector<std::byte>(batch_bytes);
    std::shared_ptr<PublishCall> call = std::make_shared<PublishCall>(
        PublishCall{.outcomes = std::vector<PublishOutcome>(1), .outstanding = 1'000});
    std::vector<consensus::ProposeDone> proposals;
    PublishQueue queue{[this](std::uint32_t, consensus::EntryBuffer, PublishQueue::Events events) {
                           proposals.push_back(std::move(events.done));
                       },
                       1};
    PublishGate gate{options, clock, queue, metrics};
};

TEST_F(PublishGateTest, ClassFillsItsWayToTheDiskAndWaitsThen) {
    EXPECT_EQ(count_entering(Criticality::bulk), 9);
    EXPECT_EQ(take_all(), std::vector<std::uint32_t>());
    make_durable();
    EXPECT_THAT(take_all(), ElementsAre(10));
}

TEST_F(PublishGateTest, TheTimeOfACallCountsForItsLeastCriticalClass) {
    const auto of = [this](const char* criticality) -> Histogram& {
        return metrics.histogram("millrace_shard_publish_latency_us",
                                 "",
                                 {{"shard", "0"}, {"criticality", criticality}});
    };
    call->outstanding = 2;
    call->done = [](const std::vector<PublishOutcome>&, const std::string&) {};
    gate.look_at_clock();
    gate.measure(*call, Criticality::critical);
    gate.measure(*call, Criticality::bulk);
    gate.measure(*call, Criticality::standard);
    clock.advance(std::chrono::milliseconds(3));
    call->end_one();
    EXPECT_EQ(of("bulk").count(), 0U) << "a batch is still under way";
    call->end_one();
    EXPECT_EQ(of("bulk").count(), 1U);
    EXPECT_EQ(of("bulk").sum(), 3'000U);
    EXPECT_EQ(of("standard").count() + of("critical").count(), 0U);
}

TEST_F(PublishGateTest, BulkYieldsWhileSomethingMoreCriticalIsAbout) {
    (void)come(2, Criticality::standard);
    EXPECT_EQ(count_entering(Criticality::bulk), 2);
    make_durable();
    (void)take_all();
    clock.advance(std::chrono::milliseconds(999));
    EXPECT_EQ(count_entering(Criticality::bulk), 2);
    make_durable();
    (void)take_all();
    clock.advance(std::chrono::milliseconds(1));
    EXPECT_EQ(count_entering(Criticality::bulk), 9);
}

TEST_F(PublishGateTest, BulkRestsBetweenItsSlicesAsItsRateSays) {
    options.publish.bulk_yielding_bytes_per_second = 200'000;
    (void)come(2, Criticality::critical);
    EXPECT_EQ(count_entering(Criticality::bulk), 2);
    clock.advance(std::chrono::milliseconds(4));
    make_durable();
    gate.look_at_clock();
    EXPECT_EQ(take_all(), std::vector<std::uint32_t>());
    EXPECT_EQ(gate.rest_left(), std::chrono::milliseconds(6));
    clock.advance(std::chrono::milliseconds(5));
    gate.look_at_clock();
    EXPECT_EQ(take_all(), std::vector<std::uint32_t>());
    clock.advance(std::chrono::milliseconds(1));
    gate.look_at_clock();
    EXPECT_THAT(take_all(), ElementsAre(10));
    EXPECT_EQ(gate.rest_left(), std::nullopt);
}

TEST_F(PublishGateTest, SliceThatTookLongerThanItsRateIsFollowedByTheNextAtOnce) {
    options.publish.bulk_yielding_bytes_per_second = 200'000;
    (void)come(2, Criticality::critical);
    (void)count_entering(Criticality::bulk);
    clock.advance(std::chrono::milliseconds(10));
    make_durable();
    gate.look_at_clock();
    EXPECT_THAT(take_all(), ElementsAre(10));
}

TEST_F(PublishGateTest, StandardYieldsToCriticalAndNotToBulk) {
    (void)come(2, Criticality::bulk);
    EXPECT_EQ(count_entering(Criticality::standard), 9);
    make_durable();
    (void)take_all();
    EXPECT_EQ(come(3, Criticality::critical).value(), PublishGate::Verdict::enter);
    EXPECT_EQ(count_entering(Criticality::standard), 2);
    EXPECT_EQ(come(3, Criticality::critical).value(), PublishGate::Verdict::enter);
}

TEST_F(PublishGateTest, PartitionsOfAClassTakeTurns) {
    (void)count_entering(Criticality::bulk);
    for (const auto partition : {1U, 1U, 2U, 1U, 3U, 2U}) {
        EXPECT_EQ(come(partition, Criticality::bulk).value(), PublishGate::Verdict::hold);
    }
    make_durable();
    EXPECT_THAT(take_all(), ElementsAre(10, 1, 2, 3, 1, 2, 1));
}

TEST_F(PublishGateTest, StandardGoesOnBeforeBulk) {
    (void)count_entering(Criticality::bulk);
    (void)count_entering(Criticality::standard);
    (void)come(4, Criticality::bulk);
    (void)come(5, Criticality::standard);
    make_durable();
    EXPECT_THAT(take_all(), ElementsAre(11, 5, 10, 4));
}

TEST_F(PublishGateTest, PartitionKeepsItsOrderWhenItsTopicBecomesMoreCritical) {
    (void)count_entering(Criticality::bulk);
    EXPECT_EQ(come(10, Criticality::critical).value(), PublishGate::Verdict::hold);
    EXPECT_EQ(come(2, Criticality::critical).value(), PublishGate::Verdict::enter);
}

TEST_F(PublishGateTest, ShareOfAClassIsALimitThatNamesItselfAndLeavesRoomForTheOthers) {
    std::optional<Error> refused;
    int taken = 0;
    while (!refused) {
        const auto verdict = come(1, Criticality::bulk);
        verdict ? static_cast<void>(++taken) : static_cast<void>(refused = verdict.error());
    }
    EXPECT_EQ(refused->code, Errc::limit_reached);
    EXPECT_THAT(refused->text,
                AllOf(HasSubstr("publish_bytes_pending_max"),
                      HasSubstr("criticality bulk"),
                      HasSubstr("below 50000")));
    EXPECT_EQ(taken, 50);
    EXPECT_TRUE(come(2, Criticality::standard));
    EXPECT_TRUE(come(3, Criticality::critical));
}

TEST_F(PublishGateTest, CreditFallsAsTheShareFillsAndIsNeverNothing) {
    options.publish.bytes_pending_max = 16_MiB;
    EXPECT_EQ(gate.credit(Criticality::critical), 16U);
    EXPECT_EQ(gate.credit(Criticality::bulk), 7U);
    bytes.resize(4_MiB);
    const PublishBatch batch{.partition = PartitionId{1}, .batch = bytes};
    gate.hold(batch, Criticality::bulk, {.call = call, .index = 0});
    EXPECT_EQ(gate.credit(Criticality::bulk), 3U);
    gate.hold(batch, Criticality::bulk, {.call = call, .index = 0});
    gate.hold(batch, Criticality::bulk, {.call = call, .index = 0});
    EXPECT_EQ(gate.credit(Criticality::bulk), 1U);
    EXPECT_EQ(gate.credit(Criticality::critical), 4U);
}

}  // namespace
}  // namespace millrace::broker::testing
