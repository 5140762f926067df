#include "broker/odoo/sink/rule_gates.hpp"

#include <map>
#include <vector>

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
    EXPECT_EQ(delay, 30s + RuleGates::spread);
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
    for (std::uint64_t number = 4; number <= 30'001; ++number) {
        last = gates.ask(rule, ref(number), now)->delay;
    }
    EXPECT_EQ(last, 10min + 1s) << "fifty a second, up to the limit";
    EXPECT_EQ(gates.ask(rule, ref(30'002), now)->delay, 10min + 1s);
}

TEST_F(RuleGatesTest, WhatHasFailedToOpenTheRuleLetsAnotherTry) {
    std::map<SteadyTime, std::uint64_t> due;  // each event comes back when its delay is over
    due[now + gates.stop(rule, ref(1), now, "not of this company").delay] = 1;
    due[now + gates.ask(rule, ref(2), now)->delay] = 2;
    due[now + gates.ask(rule, ref(3), now)->delay] = 3;
    std::vector<std::uint64_t> tried;
    while (tried.size() < 6) {
        const auto next = due.extract(due.begin());
        now = next.key();
        const auto put_off = gates.ask(rule, ref(next.mapped()), now);
        if (!put_off) {
            tried.push_back(next.mapped());
        }
        const auto delay =
            put_off ? put_off->delay : gates.stop(rule, ref(next.mapped()), now, "no").delay;
        ASSERT_TRUE(due.emplace(now + delay, next.mapped()).second);
    }
    EXPECT_EQ(tried, (std::vector<std::uint64_t>{1, 2, 3, 1, 2, 3}));
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
