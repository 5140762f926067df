#include "broker/delivery/progress/interval_set.hpp"

#include <set>

#include <gtest/gtest.h>

#include "storage/base/random.hpp"

namespace millrace::broker::delivery {
namespace {

TEST(IntervalSet, FloorRisesOverWhatTouchesIt) {
    IntervalSet set(Offset{10});
    set.add(Offset{12}, 2);
    EXPECT_EQ(set.floor(), Offset{10});
    EXPECT_EQ(set.above_floor(), 2U);
    set.add(Offset{10}, 2);
    EXPECT_EQ(set.floor(), Offset{14});
    EXPECT_EQ(set.above_floor(), 0U);
    EXPECT_TRUE(set.ranges().empty());
}

TEST(IntervalSet, NeighboursAndOverlapsAreOneRange) {
    IntervalSet set;
    set.add(Offset{5}, 2);
    set.add(Offset{8}, 2);
    EXPECT_EQ(set.ranges().size(), 2U);
    set.add(Offset{6}, 3);
    ASSERT_EQ(set.ranges().size(), 1U);
    EXPECT_EQ(set.ranges().begin()->first, Offset{5});
    EXPECT_EQ(set.ranges().begin()->second, Offset{10});
    EXPECT_EQ(set.above_floor(), 5U);
}

TEST(IntervalSet, WhatLiesBelowTheFloorIsContained) {
    IntervalSet set(Offset{10});
    EXPECT_TRUE(set.contains(Offset{9}));
    EXPECT_FALSE(set.contains(Offset{10}));
    set.add(Offset{3}, 4);
    EXPECT_EQ(set.floor(), Offset{10});
    EXPECT_EQ(set.above_floor(), 0U);
}

std::uint64_t floor_of(const std::set<std::uint64_t>& offsets) {
    std::uint64_t floor = 0;
    while (offsets.contains(floor)) {
        ++floor;
    }
    return floor;
}

void compare_with_a_set(std::uint64_t seed) {
    Random random(seed);
    IntervalSet set;
    std::set<std::uint64_t> model;
    for (int i = 0; i < 200; ++i) {
        const auto first = random.below(120);
        const auto count = 1 + random.below(6);
        set.add(Offset{first}, count);
        for (auto offset = first; offset < first + count; ++offset) {
            model.insert(offset);
        }
        const auto floor = floor_of(model);
        ASSERT_EQ(set.floor(), Offset{floor}) << "seed " << seed;
        ASSERT_EQ(set.above_floor(), model.size() - floor) << "seed " << seed;
    }
    for (std::uint64_t offset = 0; offset < 130; ++offset) {
        ASSERT_EQ(set.contains(Offset{offset}), model.contains(offset)) << "seed " << seed;
    }
}

TEST(IntervalSet, IsASetOfOffsetsWhateverTheOrder) {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        compare_with_a_set(seed);
    }
}

}  // namespace
}  // namespace millrace::broker::delivery
