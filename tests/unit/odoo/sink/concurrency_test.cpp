#include "broker/odoo/sink/concurrency.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using namespace std::chrono_literals;

class ConcurrencyTest : public testing::Test {
  protected:
    void answer(Duration took, std::size_t rows = 10) {
        const auto began = now;
        now += took;
        concurrency.on_answer({.kind = "load", .rows = rows, .began = began, .ended = now});
    }
    Concurrency concurrency{4};
    SteadyTime now{};
};

TEST_F(ConcurrencyTest, StaysAtItsMostWhileCallsAreAsQuickAsEver) {
    for (int call = 0; call < 50; ++call) {
        answer(call % 2 == 0 ? 100ms : 200ms);
    }
    EXPECT_EQ(concurrency.limit(), 4U);
}

TEST_F(ConcurrencyTest, ShrinksWhenLatencyClimbsAndGrowsAgain) {
    answer(100ms);
    answer(400ms);
    EXPECT_EQ(concurrency.limit(), 2U);
    for (int call = 0; call < 10; ++call) {
        answer(500ms);
    }
    EXPECT_EQ(concurrency.limit(), 1U);
    for (int call = 0; call < 20; ++call) {
        answer(100ms);
    }
    EXPECT_EQ(concurrency.limit(), 4U);
}

TEST_F(ConcurrencyTest, CallsOfOneClimbCountOnce) {
    answer(100ms);
    const auto began = now;
    now += 500ms;
    for (int call = 0; call < 4; ++call) {
        concurrency.on_answer({.kind = "load", .rows = 10, .began = began, .ended = now});
    }
    EXPECT_GE(concurrency.limit(), 2U);
}

TEST_F(ConcurrencyTest, LargerCallsMayTakeLonger) {
    answer(50ms, 1);
    answer(900ms, 1'000);
    answer(50ms, 1);
    EXPECT_EQ(concurrency.limit(), 4U);
}

TEST_F(ConcurrencyTest, ConflictShrinksAtOnce) {
    concurrency.on_conflict(now, now + 1ms);
    EXPECT_EQ(concurrency.limit(), 2U);
}

TEST_F(ConcurrencyTest, WhatIsSlowForGoodBecomesUsual) {
    answer(100ms);
    for (int call = 0; call < 200; ++call) {
        answer(500ms);
    }
    EXPECT_EQ(concurrency.limit(), 4U);
}

}  // namespace
}  // namespace millrace::broker::odoo
