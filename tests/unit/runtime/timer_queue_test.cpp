#include "broker/runtime/timer_queue.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker {
namespace {

using ::testing::ElementsAre;

class TimerQueueTest : public ::testing::Test {
  protected:
    TimerId add(int at, int name) {
        return timers.add(start + Duration(at), [this, name] { ran.push_back(name); });
    }
    TimerQueue timers;
    SteadyTime start{};
    std::vector<int> ran;
};

TEST_F(TimerQueueTest, RunsWhatIsDueInTheOrderOfTime) {
    add(30, 3);
    add(10, 1);
    add(20, 2);
    EXPECT_EQ(timers.next(), start + Duration(10));
    EXPECT_EQ(timers.run_due(start + Duration(20)), 2U);
    EXPECT_THAT(ran, ElementsAre(1, 2));
    EXPECT_EQ(timers.next(), start + Duration(30));
}

TEST_F(TimerQueueTest, SameTimeRunsInTheOrderOfAdding) {
    for (int i = 0; i < 4; ++i) {
        add(10, i);
    }
    timers.run_due(start + Duration(10));
    EXPECT_THAT(ran, ElementsAre(0, 1, 2, 3));
}

TEST_F(TimerQueueTest, CancelledOneDoesNotRunAndMayBeCancelledAgain) {
    const auto first = add(10, 1);
    add(10, 2);
    timers.cancel(first);
    timers.cancel(first);
    EXPECT_EQ(timers.size(), 1U);
    timers.run_due(start + Duration(10));
    timers.cancel(first);
    EXPECT_THAT(ran, ElementsAre(2));
    EXPECT_FALSE(timers.next());
}

TEST_F(TimerQueueTest, TaskMayCancelAnother) {
    TimerId second = 0;
    timers.add(start + Duration(10), [&] { timers.cancel(second); });
    second = add(11, 2);
    timers.run_due(start + Duration(20));
    EXPECT_TRUE(ran.empty());
}

TEST_F(TimerQueueTest, WhatATaskAddsWaitsForTheNextCall) {
    timers.add(start, [this] { add(0, 1); });
    EXPECT_EQ(timers.run_due(start), 1U);
    EXPECT_TRUE(ran.empty());
    EXPECT_EQ(timers.run_due(start), 1U);
    EXPECT_THAT(ran, ElementsAre(1));
}

}  // namespace
}  // namespace millrace::broker
