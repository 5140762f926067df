#include "broker/peers/complaints.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::peers {
namespace {

struct ComplaintsTest : testing::Test {
    Complaints complaints;
    SteadyTime now{};
    bool is_due(const std::string& text) { return complaints.is_due(text, now); }
};

TEST_F(ComplaintsTest, TwoThatAlternateAreSaidOnceEach) {
    EXPECT_TRUE(is_due("2 another cluster"));
    EXPECT_TRUE(is_due("3 has 1 shard"));
    for (int i = 0; i < 100; ++i) {
        now += Duration(200'000);
        EXPECT_FALSE(is_due("2 another cluster"));
        EXPECT_FALSE(is_due("3 has 1 shard"));
    }
}

TEST_F(ComplaintsTest, WhatStillComesAfterAMinuteIsSaidAgain) {
    EXPECT_TRUE(is_due("2 another cluster"));
    now += Complaints::rest - Duration(1);
    EXPECT_FALSE(is_due("2 another cluster"));
    now += Duration(1);
    EXPECT_TRUE(is_due("2 another cluster"));
    EXPECT_FALSE(is_due("2 another cluster"));
}

TEST_F(ComplaintsTest, AStrangerWithEverNewWordsFillsNoLog) {
    std::size_t said = 0;
    for (std::size_t i = 0; i < 10 * Complaints::count_max; ++i) {
        said += is_due(std::to_string(i)) ? 1U : 0U;
    }
    EXPECT_EQ(said, Complaints::count_max);
    now += Complaints::rest;
    EXPECT_TRUE(is_due("2 another cluster"));
}

}  // namespace
}  // namespace millrace::broker::peers
