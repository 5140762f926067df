#include "broker/delivery/rules/permit_bank.hpp"

#include <map>

#include <gtest/gtest.h>

#include "storage/base/random.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;

constexpr ShardId left{0};
constexpr ShardId right{1};

std::map<ShardId, std::uint32_t> give(PermitBank& bank, SteadyTime now) {
    std::map<ShardId, std::uint32_t> given;
    for (const auto& grant : bank.give(now)) {
        given[grant.to] += grant.count;
    }
    return given;
}

TEST(PermitBank, ConcurrencyIsSharedEvenlyAndNeverExceeded) {
    PermitBank bank;
    bank.limit({.concurrency = 10}, SteadyTime{});
    bank.take({.from = left, .wanted = 100});
    bank.take({.from = right, .wanted = 100});
    auto given = give(bank, SteadyTime{});
    EXPECT_EQ(given[left] + given[right], 10U);
    EXPECT_EQ(given[left], 5U);
    EXPECT_TRUE(bank.give(SteadyTime{}).empty()) << "said once";
    bank.take({.from = left, .finished = 1, .wanted = 95});
    given = give(bank, SteadyTime{});
    EXPECT_EQ(given[left] + given[right], 1U);
}

TEST(PermitBank, WhatWasInFlightBeforeTheLimitCounts) {
    PermitBank bank;
    bank.limit({.concurrency = 3}, SteadyTime{});
    bank.take({.from = left, .adopted = 4, .finished = 1, .wanted = 10});
    EXPECT_EQ(give(bank, SteadyTime{})[left], 0U);
    bank.take({.from = left, .finished = 2, .wanted = 10});
    EXPECT_EQ(give(bank, SteadyTime{})[left], 2U);
}

TEST(PermitBank, ConcurrencyOfOneGoesRound) {
    PermitBank bank;
    bank.limit({.concurrency = 1}, SteadyTime{});
    bank.take({.from = left, .wanted = 100});
    bank.take({.from = right, .wanted = 100});
    std::map<ShardId, int> turns;
    for (int i = 0; i < 10; ++i) {
        auto given = give(bank, SteadyTime{});
        std::erase_if(given, [](const auto& one) { return one.second == 0; });
        for (const auto& [shard, count] : given) {
            ++turns[shard];
            bank.take({.from = shard, .finished = count, .wanted = 100});
        }
    }
    EXPECT_EQ(turns[left], 5);
    EXPECT_EQ(turns[right], 5);
}

TEST(PermitBank, TheGrantNamesTheLimit) {
    PermitBank bank;
    bank.limit({.concurrency = 2, .rate_per_s = 1, .rate_burst = 1}, SteadyTime{});
    bank.take({.from = left, .wanted = 5});
    auto grants = bank.give(SteadyTime{});
    ASSERT_EQ(grants.size(), 1U);
    EXPECT_EQ(grants[0].count, 1U);
    EXPECT_EQ(grants[0].shortage, Shortage::rate);
    EXPECT_EQ(bank.wait(), 1s);
    grants = bank.give(SteadyTime{} + 1s);
    ASSERT_EQ(grants.size(), 1U);
    EXPECT_EQ(grants[0].shortage, Shortage::concurrency);
    EXPECT_FALSE(bank.wait()) << "time alone helps no more";
}

TEST(PermitBank, UnusedPermitsComeBackWithTheirTokens) {
    PermitBank bank;
    bank.limit({.rate_per_s = 10, .rate_burst = 10}, SteadyTime{});
    bank.take({.from = left, .wanted = 10});
    EXPECT_EQ(give(bank, SteadyTime{})[left], 10U);
    bank.take({.from = left, .unused = 4, .wanted = 0});
    bank.take({.from = right, .wanted = 10});
    EXPECT_EQ(give(bank, SteadyTime{})[right], 4U);
}

void keep_rate_and_concurrency(std::uint64_t seed) {
    Random random(seed);
    const DispatchLimits limits{.concurrency = 1 + static_cast<std::uint32_t>(random.below(20)),
                                .rate_per_s = 100,
                                .rate_burst = 20};
    PermitBank bank;
    SteadyTime now{};
    bank.limit(limits, now);
    std::uint32_t out = 0;
    std::uint64_t used = 0;
    for (int i = 0; i < 2'000; ++i) {
        now += Duration(random.below(20'000));
        const auto finished = static_cast<std::uint32_t>(random.below(out + 1));
        out -= finished;
        bank.take({.from = random.chance(0.5) ? left : right,
                   .finished = finished,
                   .wanted = static_cast<std::uint32_t>(random.below(10))});
        for (const auto& grant : bank.give(now)) {
            out += grant.count;
            used += grant.count;
        }
        ASSERT_LE(out, limits.concurrency);
        ASSERT_LE(static_cast<double>(used),
                  20.0 + 100.0 * static_cast<double>(now.time_since_epoch().count()) / 1e6 + 1);
    }
    EXPECT_GT(used, 100U);
}

TEST(PermitBank, RandomOperationsKeepRateAndConcurrency) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SCOPED_TRACE(seed);
        keep_rate_and_concurrency(seed);
    }
}

}  // namespace
}  // namespace millrace::broker::delivery
