#include "broker/odoo/sink/rule_gates.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;

FeedRef ref(std::uint64_t number, std::uint64_t session = 1) {
    return {.shard = ShardId{0}, .session = session, .delivery_id = number};
}

class RuleGatesTest : public testing::Test {
  protected:
    RuleGates gates;
    Rule rule;
    Rule other;
    SteadyTime now{};
};

TEST_F(RuleGatesTest, ProbesComeLessOftenUpToALimit) {
    std::uint64_t number = 0;
    auto delay = gates.stop(rule, ref(number), now, "no").delay;
    EXPECT_EQ(delay, 1s);
    for (int round = 0; round < 10; ++round) {
        now += delay;
        ASSERT_FALSE(gates.ask(rule, ref(++number), now)) << "it tries";
        delay = gates.stop(rule, ref(number), now, "no").delay;
    }
    EXPECT_EQ(delay, 30s);
    EXPECT_FALSE(gates.ask(other, ref(99), now)) << "the other rule never stopped";
}

TEST_F(RuleGatesTest, WhatIsPutOffComesBackOneAfterAnotherWithinALimit) {
    (void)gates.stop(rule, ref(1), now, "no");
    const auto first = gates.ask(rule, ref(2), now);
    const auto second = gates.ask(rule, ref(3), now);
    ASSERT_TRUE(first && second);
    EXPECT_EQ(second->delay - first->delay, 20ms);
    EXPECT_EQ(second->reason, "no");
    auto last = second->delay;
    for (std::uint64_t number = 4; number < 3'000; ++number) {
        last = gates.ask(rule, ref(number), now)->delay;
    }
    EXPECT_EQ(last, 31s);
}

TEST_F(RuleGatesTest, ThoseOnTheirWayNeitherLengthenTheWaitNorOpenTheRule) {
    (void)gates.stop(rule, ref(1), now, "no");
    for (std::uint64_t number = 2; number < 20; ++number) {
        (void)gates.stop(rule, ref(number), now, "no");
    }
    EXPECT_TRUE(gates.on_applied(rule, ref(20)).empty());
    EXPECT_TRUE(gates.is_stopped(rule));
    now += 1s;
    EXPECT_FALSE(gates.ask(rule, ref(21), now));
}

TEST_F(RuleGatesTest, WhoWasToldIsToldAgain) {
    (void)gates.stop(rule, ref(1, 7), now, "no");
    (void)gates.ask(rule, ref(2, 8), now);
    now += 1s;
    EXPECT_FALSE(gates.ask(rule, ref(3, 8), now));
    const auto told = gates.on_applied(rule, ref(3, 8));
    EXPECT_EQ(told, (std::set<RuleGates::SessionOfShard>{{ShardId{0}, 7}, {ShardId{0}, 8}}));
    EXPECT_FALSE(gates.is_stopped(rule));
}

}  // namespace
}  // namespace millrace::broker::odoo
