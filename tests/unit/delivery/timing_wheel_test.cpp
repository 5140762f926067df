#include "broker/delivery/rules/timing_wheel.hpp"

#include <map>

#include <gtest/gtest.h>

#include "storage/base/random.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;

constexpr Duration tick{10ms};

std::vector<int> advance(TimingWheel<int>& wheel, SteadyTime now) {
    std::vector<int> due;
    wheel.advance(now, due);
    return due;
}

TEST(TimingWheel, NothingComesBeforeItsTimeAndNothingLaterThanATick) {
    const SteadyTime start{};
    TimingWheel<int> wheel(tick, start);
    wheel.add(start + 25ms, 1);
    EXPECT_EQ(wheel.next(), start + 30ms);
    EXPECT_TRUE(advance(wheel, start + 29ms).empty());
    EXPECT_EQ(advance(wheel, start + 30ms), std::vector{1});
    EXPECT_FALSE(wheel.next());
    EXPECT_EQ(wheel.size(), 0U);
}

TEST(TimingWheel, WhatIsDueAlreadyComesWithTheNextTick) {
    const SteadyTime start{};
    TimingWheel<int> wheel(tick, start);
    EXPECT_TRUE(advance(wheel, start + 1s).empty());
    wheel.add(start, 1);
    EXPECT_TRUE(advance(wheel, start + 1s).empty());
    EXPECT_EQ(advance(wheel, start + 1s + tick), std::vector{1});
}

TEST(TimingWheel, DroppedThingsNeverCome) {
    const SteadyTime start{};
    TimingWheel<int> wheel(tick, start);
    for (int i = 0; i < 10; ++i) {
        wheel.add(start + std::chrono::seconds(i + 1), i);
    }
    wheel.erase_if([](int item) { return item % 2 == 0; });
    EXPECT_EQ(wheel.size(), 5U);
    EXPECT_EQ(advance(wheel, start + 1h), (std::vector{1, 3, 5, 7, 9}));
}

TEST(TimingWheel, WhatIsDueInYearsIsKept) {
    const SteadyTime start{};
    TimingWheel<int> wheel(tick, start);
    wheel.add(start + 24h * 365 * 100, 1);
    wheel.add(start + 24h * 365, 2);
    EXPECT_TRUE(advance(wheel, start + 24h * 364).empty());
    EXPECT_EQ(advance(wheel, start + 24h * 365), std::vector{2});
    EXPECT_EQ(wheel.size(), 1U);
}

/// Against an ordered map, at the times that the wheel itself asks for and at others.
void compare_with_a_map(std::uint64_t seed) {
    Random random(seed);
    const SteadyTime start(Duration(random.below(1'000'000'000'000)));
    auto now = start;
    TimingWheel<int> wheel(tick, SteadyTime{});
    (void)advance(wheel, now);
    std::multimap<SteadyTime, int> model;
    const auto number_of = [](const auto& entry) { return entry.second; };
    for (int i = 0; i < 2'000; ++i) {
        const auto spread = std::uint64_t{1} << random.below(36);
        const auto due = now + Duration(random.below(spread) + 10'000);
        wheel.add(due, i);
        model.emplace(due, i);
        if (random.chance(0.7)) {
            continue;
        }
        const auto next = wheel.next();
        now = random.chance(0.5) && next ? std::max(now, *next)
                                         : now + Duration(random.below(spread));
        for (const auto item : advance(wheel, now)) {
            const auto found = std::ranges::find(model, item, number_of);
            ASSERT_NE(found, model.end());
            ASSERT_LE(found->first, now) << "came early";
            model.erase(found);
        }
        ASSERT_TRUE(model.empty() || model.begin()->first > now - tick) << "came late";
        ASSERT_EQ(wheel.size(), model.size());
        ASSERT_TRUE(!wheel.next() || *wheel.next() <= model.begin()->first + tick);
    }
}

TEST(TimingWheel, RandomTimesComeLikeFromAnOrderedMap) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE(seed);
        compare_with_a_map(seed);
    }
}

}  // namespace
}  // namespace millrace::broker::delivery
