#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/delivery/queue/engine_world.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

/// Whoever needs longer than the ack timeout asks for it.
class EngineExtend : public testing::EngineWorld {
  protected:
    EngineExtend() {
        const auto partition = fixture_.make_topic("a.b").front();
        SubscriptionInfo info;
        info.ack_timeout_ms = 10'000;
        create(info);
        publish(partition, {{.key = "K"}});
        inbox = open(1);
    }
    /// Returns how many ids were stale.
    std::size_t extend(SessionId session,
                       std::uint64_t id,
                       const std::vector<std::uint64_t>& acks = {}) {
        Settlement settlement;
        settlement.extends = {id};
        settlement.extend_by = 10s;
        settlement.acks = acks;
        std::size_t stale = 99;
        delivery_->subscriptions().settle(session, settlement, [&stale](const auto& ids) {
            ASSERT_TRUE(ids);
            stale = ids.value().size();
        });
        run();
        return stale;
    }
    std::shared_ptr<testing::Inbox> inbox;
};

TEST_F(EngineExtend, WhatIsExtendedDoesNotComeAgainAndIsAckedAsOnce) {
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    for (int times = 0; times < 5; ++times) {
        pass(9s);
        EXPECT_EQ(extend(1, got[0].id), 0U);
    }
    EXPECT_THAT(inbox->take(), IsEmpty());
    ack(1, got);
    EXPECT_EQ(progress().lag_records, 0U);
    EXPECT_EQ(metric("millrace_delivery_nacked_total"), 0);
}

TEST_F(EngineExtend, WhatIsExtendedAndAckedAtOnceIsNotStale) {
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(extend(1, got[0].id, {got[0].id}), 0U);
    EXPECT_EQ(progress().lag_records, 0U);
}

TEST_F(EngineExtend, OnlyItsOwnConsumerExtendsAndNotWhatHasComeAgain) {
    const auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(1));
    const auto other = open(2, 1);
    EXPECT_EQ(extend(2, got[0].id), 1U);
    pass(20s);
    auto again = inbox->take();
    const auto of_other = other->take();
    again.insert(again.end(), of_other.begin(), of_other.end());
    ASSERT_FALSE(again.empty());
    EXPECT_EQ(again[0].attempt, 2U);
    EXPECT_EQ(extend(1, got[0].id), 1U) << "that delivery is over";
}

/// Records of as many keys, so that each waits by itself.
class EngineBackoff : public testing::EngineWorld {
  protected:
    static constexpr std::size_t records = 200;

    EngineBackoff() {
        const auto partition = fixture_.make_topic("a.b").front();
        SubscriptionInfo info;
        info.backoff_min_ms = 1'000;
        info.backoff_max_ms = 4'000;
        create(info);
        std::vector<Outgoing> all;
        for (std::size_t i = 0; i < records; ++i) {
            all.push_back({.key = "K" + std::to_string(i)});
        }
        publish(partition, all);
        inbox = open(1, 2 * records);
    }
    void nack_all(const std::vector<testing::Inbox::Got>& got) {
        Settlement settlement;
        for (const auto& one : got) {
            settlement.nacks.push_back({.delivery_id = one.id, .cause = Cause::transient});
        }
        delivery_->subscriptions().settle(
            1, settlement, [](const auto& stale) { ASSERT_TRUE(stale); });
        run();
    }
    std::shared_ptr<testing::Inbox> inbox;
};

TEST_F(EngineBackoff, WaitsAreRandomBelowALimitThatDoublesUpToTheLongest) {
    auto got = inbox->take();
    ASSERT_THAT(got, SizeIs(records));
    for (const auto longest : {1'000ms, 2'000ms, 4'000ms, 4'000ms}) {
        nack_all(got);
        pass(longest / 4);
        got = inbox->take();
        // Full jitter: a quarter of them in each quarter; 50 of 200, give or take five deviations.
        EXPECT_GT(got.size(), 20U) << longest.count();
        EXPECT_LT(got.size(), 81U) << longest.count();
        pass(longest * 3 / 4 + 20ms);
        const auto rest = inbox->take();
        got.insert(got.end(), rest.begin(), rest.end());
        ASSERT_THAT(got, SizeIs(records)) << longest.count();
    }
    EXPECT_EQ(got[0].attempt, 5U);
    EXPECT_THAT(letters(), IsEmpty());
}

/// Attempts that fail, with a restart between them, and the letter in the end.
class EngineFailures : public testing::EngineWorld {
  protected:
    static constexpr std::uint32_t attempts_max = 4;

    EngineFailures() {
        const auto partition = fixture_.make_topic("a.b").front();
        SubscriptionInfo info;
        info.attempts_max = attempts_max;
        create(info);
        publish(partition, {{.key = "K"}});
    }
    void fail(Cause cause, const std::string& error) {
        const auto inbox = open(++session_);
        pass(10s);  // behind its backoff, before its time is out
        const auto got = inbox->take();
        ASSERT_THAT(got, SizeIs(1));
        nack(session_, got[0], cause, error);
        restart();
    }
    /// Actions and texts of the letters' histories.
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> history() const {
        std::vector<std::pair<std::string, std::string>> lines;
        for (const auto& letter : letters()) {
            for (const auto& action : letter.actions) {
                lines.emplace_back(action.action, action.text);
            }
        }
        return lines;
    }

  private:
    SessionId session_ = 0;
};

TEST_F(EngineFailures, LettersTellWhyEarlierAttemptsFailed) {
    fail(Cause::transient, "busy");
    fail(Cause::transient, "busy");
    fail(Cause::outcome_unknown, std::string(2 * failed_error_bytes_max, 'x'));
    fail(Cause::transient, "busy again");
    ASSERT_THAT(letters(), SizeIs(1));
    EXPECT_THAT(
        history(),
        ElementsAre(Pair("failed", "2 times transient: busy"),
                    Pair("failed", "outcome_unknown: " + std::string(failed_error_bytes_max, 'x')),
                    Pair("opened", "poison")));
    EXPECT_EQ(letters()[0].error, "busy again");
    EXPECT_EQ(letters()[0].attempts, attempts_max);
}

TEST_F(EngineFailures, OutagesAreNoFailuresOfTheRecord) {
    fail(Cause::transient, "busy");
    fail(Cause::outage, "refused");
    fail(Cause::mapping, "no product");
    ASSERT_THAT(letters(), SizeIs(1));
    EXPECT_THAT(history(),
                ElementsAre(Pair("failed", "transient: busy"), Pair("opened", "mapping")));
}

TEST(FailedAttempts, OfManyReasonsTheNewestStay) {
    std::vector<FailedAttempts> reasons;
    for (std::size_t i = 0; i <= failed_reasons_max; ++i) {
        note_failure(reasons,
                     {.last_us = static_cast<UnixMicros>(i),
                      .cause = Cause::transient,
                      .error = std::to_string(i)});
    }
    ASSERT_THAT(reasons, SizeIs(failed_reasons_max));
    EXPECT_EQ(reasons.front().error, "1");
    EXPECT_EQ(reasons.back().error, std::to_string(failed_reasons_max));
}

/// A circuit outlives the broker.
class EngineCircuit : public testing::EngineWorld {
  protected:
    EngineCircuit() {
        SubscriptionInfo info;
        info.probe_interval_max_ms = 5'000;
        const auto partition = fixture_.make_topic("a.b").front();
        create(info);
        publish(partition, {{.key = "K"}, {.key = "L"}});
        inbox = open(1);
        for (const auto& got : inbox->take()) {
            nack(1, got, Cause::outage, "connection refused");
        }
    }
    std::shared_ptr<testing::Inbox> inbox;
};

TEST_F(EngineCircuit, IsOpenAfterARestartAndTellsSinceWhen) {
    const auto opened = progress().circuit_changes.front();
    restart();
    EXPECT_EQ(progress().circuit, Circuit::open);
    EXPECT_EQ(progress().reason, "outage: connection refused");
    ASSERT_THAT(progress().circuit_changes, SizeIs(1));
    EXPECT_EQ(progress().circuit_changes.front().time_us, opened.time_us);
    inbox = open(2);
    EXPECT_THAT(inbox->take(), IsEmpty()) << "nothing goes out until a probe may";
    pass(2s);
    const auto probe = inbox->take();
    ASSERT_THAT(probe, SizeIs(1));
    ack(2, probe);
    EXPECT_EQ(progress().circuit, Circuit::closed);
    EXPECT_THAT(inbox->take(), SizeIs(1));
}

TEST_F(EngineCircuit, WhatItDidIsKnownBehindACheckpointAndAnotherRestart) {
    pass(2s);
    ack(1, inbox->take());
    ASSERT_EQ(progress().circuit, Circuit::closed);
    ASSERT_TRUE(fixture_.shard->store().checkpoint());
    for (int life = 0; life < 2; ++life) {
        restart();
        EXPECT_EQ(progress().circuit, Circuit::closed);
        const auto changes = progress().circuit_changes;
        ASSERT_THAT(changes, SizeIs(2)) << "opened and closed; the probe between was memory";
        EXPECT_EQ(changes[0].reason, "connection refused");
        EXPECT_EQ(changes[1].to, Circuit::closed);
    }
}

/// A letter that was redriven and fails again, and comes again by itself.
class EngineLetterTries : public testing::EngineWorld {
  protected:
    EngineLetterTries() {
        SubscriptionInfo info;
        info.attempts_max = 3;
        info.ack_timeout_ms = 3'600'000;
        const auto partition = fixture_.make_topic("a.b").front();
        create(info);
        publish(partition, {{.key = "K"}});
        inbox = open(1);
        nack(1, inbox->take().at(0), Cause::mapping, "no product");
        change(LetterEdit::Kind::redrive);
    }
    void change(LetterEdit::Kind kind) {
        delivery_->letters().change({.query = {.subscription = "sink"},
                                     .ids = {letters().at(0).id},
                                     .by = "me",
                                     .reason = "try"},
                                    {.kind = kind},
                                    [](const auto& done) { ASSERT_TRUE(done); });
        run();
    }
    /// The next delivery, nacked for a reason that goes by.
    testing::Inbox::Got fail_once(SessionId session, const std::string& error) {
        pass(60s);
        const auto got = inbox->take();
        EXPECT_THAT(got, SizeIs(1));
        nack(session, got.at(0), Cause::transient, error);
        return got.at(0);
    }
    [[nodiscard]] std::vector<std::string> history() const {
        std::vector<std::string> lines;
        const auto shown = delivery_->letters().show("sink", letters().at(0).id);
        EXPECT_TRUE(shown);
        for (const auto& action : shown.value().actions) {
            lines.push_back(action.action + ": " + action.text);
        }
        return lines;
    }
    std::shared_ptr<testing::Inbox> inbox;
};

TEST_F(EngineLetterTries, TheirReasonsAreInItsHistoryBeforeItIsOver) {
    EXPECT_EQ(fail_once(1, "busy").attempt, 2U);
    EXPECT_EQ(fail_once(1, "busy").attempt, 3U);
    EXPECT_THAT(history(),
                ElementsAre("opened: mapping", "redriven: try", "failed: 2 times transient: busy"));
    EXPECT_EQ(letters().at(0).attempts, 3U);
    pass(60s);
    ack(1, inbox->take());
    EXPECT_THAT(
        history(),
        ElementsAre(
            "opened: mapping", "redriven: try", "failed: 2 times transient: busy", "resolved: "));
}

TEST_F(EngineLetterTries, CountOnAfterARestart) {
    (void)fail_once(1, "busy");
    (void)fail_once(1, "still busy");
    restart();
    inbox = open(2);
    const auto third = fail_once(2, "busy to the end");
    EXPECT_EQ(third.attempt, 4U);
    EXPECT_EQ(third.tries, 3U);
    EXPECT_EQ(letters().at(0).state, LetterState::open) << "three tries are the budget";
    EXPECT_EQ(letters().at(0).attempts, 4U);
    EXPECT_THAT(history(),
                ElementsAre("opened: mapping",
                            "redriven: try",
                            "failed: transient: busy",
                            "failed: transient: still busy",
                            "failed again: busy to the end"));
    change(LetterEdit::Kind::redrive);
    EXPECT_EQ(inbox->take().at(0).tries, 1U) << "a redrive has a budget of its own";
}

}  // namespace
}  // namespace millrace::broker::delivery
