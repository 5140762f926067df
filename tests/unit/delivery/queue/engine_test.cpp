#include <deque>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/delivery/queue/engine_world.hpp"

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/rules/stopped_parts.hpp"
#include "storage/base/random.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using testing::EngineWorld;
using ::testing::HasSubstr;
using testing::Inbox;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Engine : public EngineWorld {};

TEST_F(Engine, FilterSettlesWhatIsNotWantedInFewCommands) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.filter = ".value.n % 100 == 0";
    create(info);
    std::vector<Outgoing> records;
    records.reserve(2'001);
    for (int i = 0; i < 2'000; ++i) {
        records.push_back({.key = "", .value = "{\"n\":" + std::to_string(i) + "}"});
    }
    records.push_back({.key = "", .value = "[]"});
    publish(partition, records);
    const auto inbox = open(1);
    const auto got = inbox->take();
    EXPECT_THAT(got, SizeIs(20));
    ack(1, got);
    pass(1s);
    const auto now = progress();
    EXPECT_EQ(now.filtered, 1'980U);
    EXPECT_EQ(now.filter_failed, 1U);
    EXPECT_THAT(now.reason, HasSubstr("the filter failed last on a.b/0@2000: "));
    EXPECT_EQ(now.lag_records, 0U);
    EXPECT_LE(metric("millrace_delivery_commands_total"), 5);
    restart();
    EXPECT_EQ(progress().lag_records, 0U);
}

TEST_F(Engine, AcksOfOneTurnAreOneCommandPerPartition) {
    const auto partitions = fixture_.make_topic("a.b", 2);
    create({});
    for (const auto partition : partitions) {
        publish(partition, std::vector<Outgoing>(50));
    }
    const auto inbox = open(1, 200);
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(100));
    for (const auto& one : got) {
        delivery_->subscriptions().settle(
            1, {.acks = {one.id}}, [](const auto& stale) { ASSERT_TRUE(stale); });
    }
    run();
    EXPECT_EQ(progress().lag_records, 0U);
    EXPECT_EQ(metric("millrace_delivery_commands_total"), 2);
    EXPECT_LT(metric("millrace_delivery_command_bytes_total"), 8 * 100);
    EXPECT_EQ(metric("millrace_delivery_settle_latency_us"), 100);
}

TEST_F(Engine, DeliverAfterHoldsARecordAndItsKeyAcrossARestart) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition,
            {{.key = "K", .value = "late", .headers = {{"deliver-after", in(10s)}}},
             {.key = "K", .value = "behind"},
             {.key = "L", .value = "other"}});
    auto inbox = open(1);
    auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].value, "other");
    ack(1, got);
    EXPECT_THAT(progress().reason, HasSubstr("waiting for deliver-after until 20"));
    EXPECT_EQ(progress().waiting_delay, 1U);
    pass(5s);
    restart();
    inbox = open(2);
    pass(4s);
    EXPECT_THAT(inbox->take(), IsEmpty());
    pass(2s);
    got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].value, "late");
    EXPECT_EQ(got[0].attempt, 1U);
    ack(2, got);
    EXPECT_THAT(inbox->take_values(), ElementsAre("behind"));
}

TEST_F(Engine, TenThousandDelayedRecordsComeWhenTheyAreDue) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    const auto header = in(60s);
    for (int i = 0; i < 10; ++i) {
        publish(partition,
                std::vector<Outgoing>(
                    1'000, {.key = "", .value = "v", .headers = {{"deliver-after", header}}}));
    }
    const auto inbox = open(1, 100'000);
    pass(1s);
    EXPECT_EQ(progress().waiting_delay, 10'000U);
    EXPECT_THAT(inbox->take(), IsEmpty());
    alter({.window = 20'000});
    pass(60s);
    EXPECT_THAT(inbox->take(), SizeIs(10'000));
}

TEST_F(Engine, ExpiredRecordsAreDroppedAndCounted) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition,
            {{.key = "K", .value = "old", .headers = {{"expires-at", in(-1s)}}},
             {.key = "K", .value = "soon over", .headers = {{"expires-at", in(5s)}}},
             {.key = "K", .value = "bad", .headers = {{"expires-at", "tomorrow"}}}});
    pass(10s);
    const auto inbox = open(1);
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].value, "bad");
    ack(1, got);
    EXPECT_EQ(progress().expired, 2U);
    EXPECT_EQ(progress().lag_records, 0U);
    EXPECT_THAT(letters(), IsEmpty());
    EXPECT_EQ(metric("millrace_delivery_headers_unreadable_total"), 1);
}

TEST_F(Engine, ExpiredRecordsBecomeLettersWhereTheSubscriptionSaysSo) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.expired = ExpiredRule::dead_letter;
    create(info);
    publish(partition,
            {{.key = "K",
              .value = "never",
              .headers = {{"deliver-after", in(20s)}, {"expires-at", in(5s)}}}});
    const auto inbox = open(1);
    EXPECT_THAT(letters(), IsEmpty());
    pass(6s);
    ASSERT_THAT(letters(), SizeIs(1));
    EXPECT_EQ(letters()[0].cause, Cause::expired);
    EXPECT_EQ(letters()[0].attempts, 0U);
    EXPECT_THAT(inbox->take(), IsEmpty());
    pass(2s);
    EXPECT_EQ(metric("millrace_delivery_letters_open", {{"cause", "expired"}}), 1);
    EXPECT_GE(metric("millrace_delivery_oldest_letter_seconds"), 1);
}

TEST_F(Engine, UnknownOutcomesHaveTheirOwnAttempts) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.attempts_max = 10;
    info.unknown_attempts_max = 2;
    info.unknown_backoff_min_ms = 1;
    info.unknown_backoff_max_ms = 1;
    create(info);
    publish(partition, {{.key = "K"}});
    const auto inbox = open(1);
    nack(1, inbox->take().at(0), Cause::outcome_unknown);
    EXPECT_THAT(letters(), IsEmpty());
    pass(1s);
    nack(1, inbox->take().at(0), Cause::outcome_unknown);
    ASSERT_THAT(letters(), SizeIs(1));
    EXPECT_EQ(letters()[0].cause, Cause::poison);
    EXPECT_EQ(letters()[0].attempts, 2U);
}

TEST_F(Engine, WithTheRuleDropNothingIsKeptAndTheKeyGoesOn) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.dead_letter = DeadLetterRule::drop;
    create(info);
    publish(partition, {{.key = "K", .value = "bad"}, {.key = "K", .value = "good"}});
    const auto inbox = open(1);
    nack(1, inbox->take().at(0), Cause::mapping, "no product");
    EXPECT_THAT(letters(), IsEmpty());
    EXPECT_THAT(inbox->take_values(), ElementsAre("good"));
    EXPECT_EQ(progress().dropped, 1U);
    EXPECT_EQ(metric("millrace_delivery_dropped_total", {{"cause", "mapping"}}), 1);
}

TEST_F(Engine, RateHoldsOverTimeAndIsNamed) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.rate_per_s = 10;
    info.rate_burst = 5;
    create(info);
    publish(partition, std::vector<Outgoing>(200));
    const auto inbox = open(1, 1'000);
    EXPECT_THAT(inbox->take(), SizeIs(5));
    EXPECT_EQ(progress().reason, "rate limit of 10/s");
    pass(3s);
    EXPECT_THAT(inbox->take(), SizeIs(30));
    alter({.rate_per_s = 0, .rate_burst = 0});
    EXPECT_THAT(inbox->take(), SizeIs(165));
}

TEST_F(Engine, ConcurrencyBoundsWhatIsInFlight) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.concurrency = 3;
    create(info);
    publish(partition, std::vector<Outgoing>(10));
    const auto inbox = open(1);
    auto got = inbox->take();
    EXPECT_THAT(got, SizeIs(3));
    EXPECT_THAT(progress().reason, HasSubstr("limit concurrency of 3 is reached"));
    ack(1, got);
    got = inbox->take();
    EXPECT_THAT(got, SizeIs(3));
    delivery_->subscriptions().close(1);
    run();
    const auto next = open(2);
    EXPECT_THAT(next->take(), SizeIs(3)) << "permits of a consumer that has gone are free again";
}

TEST_F(Engine, WhatIsInFlightWhenConcurrencyIsFirstSetCounts) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, std::vector<Outgoing>(5));
    const auto inbox = open(1);
    auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(5));
    SubscriptionAlteration change;
    change.concurrency = 3;
    alter(change);
    publish(partition, std::vector<Outgoing>(5));
    EXPECT_THAT(inbox->take(), IsEmpty());
    ack(1, {got[0], got[1]});
    EXPECT_THAT(inbox->take(), IsEmpty());
    ack(1, {got[2]});
    EXPECT_THAT(inbox->take(), SizeIs(1));
}

TEST_F(Engine, ALongBacklogOfOnePartitionLeavesTheOthersTheirShare) {
    const auto partitions = fixture_.make_topic("a.b", 3);
    create({});
    for (int i = 0; i < 20; ++i) {
        publish(partitions[0], std::vector<Outgoing>(200));
    }
    publish(partitions[1], std::vector<Outgoing>(10));
    publish(partitions[2], std::vector<Outgoing>(10));
    const auto inbox = open(1, 30);
    std::map<PartitionId, int> counts;
    for (int round = 0; round < 3; ++round) {
        const auto got = inbox->take();
        for (const auto& one : got) {
            ++counts[one.partition];
        }
        ack(1, got);
    }
    EXPECT_EQ(counts[partitions[1]], 10);
    EXPECT_EQ(counts[partitions[2]], 10);
}

TEST_F(Engine, ConsumersWithCreditTakeTurns) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    const auto first = open(1, 100);
    const auto second = open(2, 100);
    publish(partition, std::vector<Outgoing>(100));
    EXPECT_THAT(first->take(), SizeIs(50));
    EXPECT_THAT(second->take(), SizeIs(50));
}

TEST_F(Engine, DrainingHandsOutNothingAndSaysWhenItIsDrained) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, std::vector<Outgoing>(5));
    const auto inbox = open(1, 2);
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(2));
    fixture_.shard->catalog().drain_subscription(
        "sink", "upgrade", [](const auto& done) { ASSERT_TRUE(done); });
    run();
    EXPECT_EQ(progress().reason, "draining: upgrade, 2 records in flight");
    EXPECT_FALSE(progress().drained_us);
    ack(1, got);
    EXPECT_THAT(inbox->take(), IsEmpty());
    EXPECT_EQ(progress().reason, "drained: upgrade");
    EXPECT_TRUE(progress().drained_us);
    restart();
    EXPECT_EQ(progress().reason, "drained: upgrade");
    fixture_.shard->catalog().resume_subscription("sink",
                                                  [](const auto& done) { ASSERT_TRUE(done); });
    EXPECT_THAT(open(2)->take(), SizeIs(3));
}

TEST_F(Engine, NewTopicsThatMatchJoinWhileConsumersAreOpen) {
    create({});
    const auto inbox = open(1);
    const auto fits = fixture_.make_topic("a.new").front();
    const auto other = fixture_.make_topic("b.new").front();
    publish(fits, {{.key = "", .value = "mine"}});
    publish(other, {{.key = "", .value = "not mine"}});
    EXPECT_THAT(inbox->take_values(), ElementsAre("mine"));
}

TEST_F(Engine, TheReasonNamesWhatIsInTheWay) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.window = 4;
    create(info);
    EXPECT_EQ(progress().reason, "");
    publish(partition, {{.key = "K"}, {.key = "K"}, {.key = "K"}});
    EXPECT_EQ(progress().reason, "no consumer is connected");
    const auto inbox = open(1, 8);
    nack(1, inbox->take().at(0), Cause::mapping);
    EXPECT_EQ(progress().reason, "2 records are parked behind 1 dead letter");
    publish(partition, std::vector<Outgoing>(6));
    EXPECT_THAT(progress().reason, HasSubstr("limit window of 4 is reached"));
    ack(1, inbox->take());
    ack(1, inbox->take());
    publish(partition, {{.key = "L"}});
    nack(1, inbox->take().at(0), Cause::transient);
    EXPECT_THAT(progress().reason, HasSubstr("; waiting for a retry until 20"));
}

TEST_F(Engine, TheCircuitTellsWhatItDidAndComesBackWithinItsLongestProbe) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.probe_interval_max_ms = 5'000;
    create(info);
    publish(partition, std::vector<Outgoing>(500));
    const auto inbox = open(1, 100);
    for (const auto& got : inbox->take()) {
        nack(1, got, Cause::outage, "connection refused");
    }
    EXPECT_EQ(progress().circuit, Circuit::open);
    EXPECT_EQ(progress().reason, "outage: connection refused");
    EXPECT_EQ(metric("millrace_delivery_circuit_state"), 1);
    for (int second = 0; second < 300; ++second) {
        pass(1s);
        for (const auto& got : inbox->take()) {
            EXPECT_EQ(got.attempt, 1U) << "an outage burns no attempt";
            nack(1, got, Cause::outage, "connection refused");
        }
    }
    EXPECT_THAT(letters(), IsEmpty());
    // The target is back.
    pass(5s);
    const auto probe = inbox->take();
    ASSERT_THAT(probe, SizeIs(1));
    ack(1, probe);
    EXPECT_EQ(progress().circuit, Circuit::closed);
    EXPECT_THAT(inbox->take(), SizeIs(100)) << "full speed at once";
    const auto changes = progress().circuit_changes;
    ASSERT_THAT(changes, SizeIs(32));
    EXPECT_EQ(changes.back().to, Circuit::closed);
    EXPECT_EQ(changes.back().cause, Cause::outage);
    EXPECT_GT(metric("millrace_delivery_circuit_changes_total"), 100);
}

TEST_F(Engine, AStoppedPartWaitsWithoutAttemptsWhileAllElseFlows) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, {{.key = "x", .value = "x"}, {.key = "y", .value = "y"}});
    const auto inbox = open(1, 100);
    const auto settle = [&](Settlement settlement) {
        delivery_->subscriptions().settle(
            1, std::move(settlement), [](const Result<std::vector<std::uint64_t>>&) {});
        run();
    };
    const auto stop = [&](const Inbox::Got& got) {
        Settlement settlement;
        settlement.nacks.push_back({.delivery_id = got.id,
                                    .cause = Cause::authorization,
                                    .delay = 5s,
                                    .error = "no right",
                                    .response = {},
                                    .part = "mapping m.yaml:2"});
        settle(std::move(settlement));
    };
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(2));
    stop(got[0]);
    ack(1, {got[1]});
    EXPECT_EQ(progress().circuit, Circuit::closed);
    EXPECT_EQ(progress().stopped_reason, "mapping m.yaml:2 is stopped, authorization: no right");
    EXPECT_EQ(progress().waiting_retry, 1U);
    EXPECT_EQ(progress().stopped_parts, 1U);
    publish(partition, {{.key = "x", .value = "x2"}, {.key = "z", .value = "z"}});
    const auto other = inbox->take();
    ASSERT_THAT(other, SizeIs(1)) << "the key of what waits is busy";
    EXPECT_EQ(other[0].value, "z");
    ack(1, other);
    for (int round = 0; round < 20; ++round) {
        pass(6s);
        const auto again = inbox->take();
        ASSERT_THAT(again, SizeIs(1));
        EXPECT_EQ(again[0].attempt, 1U) << "a stopped part burns no attempt";
        stop(again[0]);
    }
    pass(6s);
    const auto last = inbox->take();
    ASSERT_THAT(last, SizeIs(1));
    settle({.acks = {last[0].id}, .nacks = {}, .extends = {}, .resumed = {"mapping m.yaml:2"}});
    EXPECT_EQ(progress().stopped_parts, 0U);
    EXPECT_EQ(progress().stopped_reason, "");
    EXPECT_EQ(progress().reason, "");
    EXPECT_THAT(inbox->take_values(), ElementsAre("x2"));
    EXPECT_THAT(letters(), IsEmpty());
}

TEST_F(Engine, StoppedPartsHaveALimitBehindWhichTheCircuitOpens) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, std::vector<Outgoing>(StoppedParts::parts_max + 1));
    const auto inbox = open(1, 100);
    Settlement settlement;
    for (const auto& got : inbox->take()) {
        settlement.nacks.push_back({.delivery_id = got.id,
                                    .cause = Cause::authorization,
                                    .delay = {},
                                    .error = "no right",
                                    .response = {},
                                    .part = "part " + std::to_string(got.id)});
    }
    const auto beyond = settlement.nacks.back();
    settlement.nacks.pop_back();
    const auto settle = [&](Settlement one) {
        delivery_->subscriptions().settle(
            1, std::move(one), [](const Result<std::vector<std::uint64_t>>&) {});
    };
    settle(std::move(settlement));
    EXPECT_EQ(progress().stopped_parts, StoppedParts::parts_max);
    EXPECT_EQ(progress().circuit, Circuit::closed);
    settle({.acks = {}, .nacks = {beyond}, .extends = {}});
    EXPECT_EQ(progress().circuit, Circuit::open);
    delivery_->subscriptions().close(1);
    EXPECT_EQ(progress().stopped_parts, 0U) << "parts end with the session that stopped them";
}

TEST_F(Engine, ARedrivenRecordSaysHowOftenItWasTriedSince) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.attempts_max = 3;
    create(info);
    publish(partition, {{.key = "x"}});
    const auto inbox = open(1, 100);
    for (std::uint32_t tries = 1; tries <= 3; ++tries) {
        const auto got = inbox->take();
        ASSERT_THAT(got, SizeIs(1));
        EXPECT_EQ(got[0].tries, tries);
        nack(1, got[0], Cause::transient);
        pass(60s);
    }
    ASSERT_THAT(letters(), SizeIs(1));
    delivery_->letters().change(
        {.query = {.subscription = "sink"}, .ids = {letters()[0].id}, .by = "me", .reason = {}},
        {.kind = LetterEdit::Kind::redrive, .transform = {}, .value = {}, .records = {}},
        [](const Result<std::uint64_t>& changed) { EXPECT_TRUE(changed); });
    run();
    const auto again = inbox->take();
    ASSERT_THAT(again, SizeIs(1));
    EXPECT_EQ(again[0].attempt, 4U);
    EXPECT_EQ(again[0].tries, 1U);
}

TEST_F(Engine, ARedrivenLetterThatWaitsIsNotOver) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, {{.key = "x"}});
    const auto inbox = open(1, 100);
    nack(1, inbox->take().at(0), Cause::mapping);
    pass(60s);
    delivery_->letters().change(
        {.query = {.subscription = "sink"}, .ids = {letters()[0].id}, .by = "me", .reason = {}},
        {.kind = LetterEdit::Kind::redrive, .transform = {}, .value = {}, .records = {}},
        [](const Result<std::uint64_t>& changed) { EXPECT_TRUE(changed); });
    run();
    const auto again = inbox->take();
    ASSERT_THAT(again, SizeIs(1));
    ASSERT_THAT(letters(), SizeIs(1));
    EXPECT_EQ(letters()[0].state, LetterState::redriven);
    EXPECT_GE(Duration(progress().oldest_letter_us), 60s);
    ack(1, again);
    run();
    EXPECT_EQ(progress().oldest_letter_us, 0);
}

TEST_F(Engine, RetriesSurviveARestartWithTheirAttempts) {
    const auto partition = fixture_.make_topic("a.b").front();
    create({});
    publish(partition, std::vector<Outgoing>(300));
    auto inbox = open(1, 300);
    for (const auto& got : inbox->take()) {
        nack(1, got, Cause::transient);
    }
    restart();
    inbox = open(2, 300);
    pass(1s);
    const auto again = inbox->take();
    EXPECT_THAT(again, SizeIs(300));
    std::set<std::uint64_t> offsets;
    for (const auto& got : again) {
        EXPECT_EQ(got.attempt, 2U);
        offsets.insert(got.offset.value);
    }
    EXPECT_THAT(offsets, SizeIs(300));
}

/// More than may be kept, several partitions, and acks one by one: heads are asked for while others
/// are being read, before and behind them.
TEST_F(Engine, ParkedRecordsOfManyKeysComeOnceAndInOrderFromTheLog) {
    const auto partitions = fixture_.make_topic("a.b", 3);
    create({});
    const std::string filler(20'000, 'x');
    const auto of_ten_keys = [](const std::string& value) {
        std::vector<Outgoing> records;
        records.reserve(10);
        for (int key = 0; key < 10; ++key) {
            records.push_back({.key = "K" + std::to_string(key), .value = value});
        }
        return records;
    };
    for (int i = 0; i < 40; ++i) {
        const auto records = of_ten_keys(std::to_string(i) + ":" + filler);
        for (const auto partition : partitions) {
            publish(partition, records);
        }
    }
    const auto inbox = open(1, 100);
    std::map<std::pair<PartitionId, std::uint64_t>, int> next;
    std::deque<Inbox::Got> held;
    int count = 0;
    Random random(1);
    while (true) {
        for (auto& got : inbox->take()) {
            EXPECT_EQ(std::stoi(got.value), (next[{got.partition, got.offset.value % 10}]++));
            held.push_back(std::move(got));
            ++count;
        }
        if (held.empty()) {
            break;
        }
        const auto chosen = held.begin() + static_cast<std::ptrdiff_t>(random.below(held.size()));
        delivery_->subscriptions().settle(
            1, {.acks = {chosen->id}}, [](const auto& stale) { ASSERT_TRUE(stale); });
        held.erase(chosen);
        // Not to the end: what the disk is asked for is under way when the next ack comes.
        fixture_.runtime->turn();
        if (held.empty()) {
            run();
        }
    }
    EXPECT_EQ(count, 1'200);
    pass(1s);
    EXPECT_EQ(progress().lag_records, 0U);
}

}  // namespace
}  // namespace millrace::broker::delivery
