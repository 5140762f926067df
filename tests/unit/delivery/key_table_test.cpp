#include "broker/delivery/flight/key_table.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

constexpr PartitionId first{1};
constexpr PartitionId second{2};
constexpr std::size_t kept_bytes_max = 1'000'000;

Item item_of(std::uint64_t offset, std::size_t bytes = 10, PartitionId partition = first) {
    Item item;
    item.partition = partition;
    item.offset = Offset{offset};
    item.key = "K";
    item.record.resize(bytes);
    return item;
}

TEST(KeyTable, WhatIsParkedLeavesInOrderAndThenTheKeyIsFree) {
    KeyTable keys(kept_bytes_max);
    EXPECT_TRUE(keys.take(first, "K"));
    EXPECT_FALSE(keys.take(first, "K"));
    for (std::uint64_t offset = 1; offset <= 5; ++offset) {
        keys.park(item_of(offset));
    }
    EXPECT_EQ(keys.parked_keys(), 1U);
    EXPECT_EQ(keys.parked_records(), 5U);
    for (std::uint64_t offset = 1; offset <= 5; ++offset) {
        const auto next = keys.release(first, "K");
        ASSERT_TRUE(next);
        EXPECT_EQ(next->offset, Offset{offset});
        EXPECT_TRUE(next->item);
    }
    EXPECT_EQ(keys.parked_keys(), 0U);
    EXPECT_FALSE(keys.release(first, "K"));
    EXPECT_TRUE(keys.take(first, "K"));
}

TEST(KeyTable, AtTheLimitOnlyOffsetsAreKeptAndRecordsMayComeLater) {
    KeyTable keys(kept_bytes_max);
    keys.take(first, "K");
    keys.park(item_of(1, kept_bytes_max - 1'000));
    keys.park(item_of(2, 10'000));
    EXPECT_FALSE(keys.lacks(first, "K", Offset{1}));
    EXPECT_TRUE(keys.lacks(first, "K", Offset{2}));
    EXPECT_FALSE(keys.lacks(first, "K", Offset{3}));
    EXPECT_TRUE(keys.release(first, "K")->item);
    keys.keep(item_of(2, 10'000));
    EXPECT_FALSE(keys.lacks(first, "K", Offset{2}));
    EXPECT_TRUE(keys.release(first, "K")->item);
}

TEST(KeyTable, AHeldKeyKeepsOffsetsOnlyUntilItIsReleased) {
    KeyTable keys(kept_bytes_max);
    keys.take(first, "K");
    keys.park(item_of(1));
    keys.hold(first, "K");
    keys.park(item_of(2));
    EXPECT_FALSE(keys.lacks(first, "K", Offset{2})) << "nobody should read for a held key";
    EXPECT_FALSE(keys.release(first, "K")->item);
    EXPECT_TRUE(keys.lacks(first, "K", Offset{2}));
}

TEST(KeyTable, DroppingAPartitionLeavesTheOthers) {
    KeyTable keys(kept_bytes_max);
    keys.take(first, "K");
    keys.take(second, "K");
    keys.park(item_of(1));
    keys.park(item_of(2, 10, second));
    keys.drop(first);
    EXPECT_EQ(keys.busy_keys(), 1U);
    EXPECT_EQ(keys.parked_records(), 1U);
    EXPECT_EQ(keys.parked_behind(first, "K"), 0U);
    EXPECT_EQ(keys.parked_behind(second, "K"), 1U);
}

TEST(KeyTable, AKeyIsFreeWhenItsRecordAndAllItsLettersAreOver) {
    KeyTable keys(kept_bytes_max);
    keys.take(first, "K");
    keys.hold_for_letter(first, "K", 1001);
    keys.hold_for_letter(first, "K", 1001);
    keys.hold_for_letter(first, "K", 2001);
    keys.park(item_of(5));
    EXPECT_FALSE(keys.release_letter(first, "K", 1001));
    EXPECT_FALSE(keys.release(first, "K"));
    EXPECT_FALSE(keys.release_letter(first, "K", 3001)) << "it holds nothing";
    EXPECT_EQ(keys.release_letter(first, "K", 2001)->offset, Offset{5});
    EXPECT_FALSE(keys.take(first, "K")) << "what went on has the key";
    EXPECT_FALSE(keys.release(first, "K"));
    EXPECT_TRUE(keys.take(first, "K"));
}

TEST(KeyTable, ALetterTakesThePlaceOfItsRecord) {
    KeyTable keys(kept_bytes_max);
    keys.take(first, "K");
    keys.turn_into_letter(first, "K", 1001);
    EXPECT_FALSE(keys.take(first, "K"));
    keys.park(item_of(5));
    EXPECT_EQ(keys.release_letter(first, "K", 1001)->offset, Offset{5});
}

}  // namespace
}  // namespace millrace::broker::delivery
