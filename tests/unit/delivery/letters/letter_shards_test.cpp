#include "broker/delivery/letters/letter_shards.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

using ::testing::ElementsAre;

LetterPage page_of(const std::vector<std::uint64_t>& ids,
                   std::uint64_t examined_upto,
                   bool is_end) {
    LetterPage page{.letters = {}, .examined_upto = examined_upto, .is_end = is_end};
    for (const auto id : ids) {
        page.letters.push_back({.id = id});
    }
    return page;
}

std::vector<std::uint64_t> ids_of(const LetterList& list) {
    std::vector<std::uint64_t> ids;
    for (const auto& letter : list.letters) {
        ids.push_back(letter.id);
    }
    return ids;
}

TEST(LetterShards, AnIdNamesTheShardThatGaveIt) {
    EXPECT_EQ(shard_of_letter(1001, 2), ShardId{0});
    EXPECT_EQ(shard_of_letter(7002, 2), ShardId{1});
    EXPECT_FALSE(shard_of_letter(7003, 2));
    EXPECT_FALSE(shard_of_letter(7000, 2));
}

TEST(LetterShards, ASelectionOfIdsGoesToThoseThatHaveThem) {
    const LetterSelection all{.query = {.subscription = "s"}, .ids = {}};
    EXPECT_TRUE(part_of_selection(all, ShardId{1}));
    const LetterSelection some{.query = {.subscription = "s"}, .ids = {1001, 2002, 3001}};
    EXPECT_THAT(part_of_selection(some, ShardId{0})->ids, ElementsAre(1001U, 3001U));
    EXPECT_THAT(part_of_selection(some, ShardId{1})->ids, ElementsAre(2002U));
    EXPECT_FALSE(part_of_selection(some, ShardId{2}));
}

TEST(LetterShards, PagesEndWhereTheLeastFarLookedShardStands) {
    const auto whole = merge_pages({page_of({1001, 3001}, 0, true), page_of({2002}, 0, true)}, 10);
    EXPECT_THAT(ids_of(whole), ElementsAre(1001U, 2002U, 3001U));
    EXPECT_EQ(whole.next_after_id, 0U);
    const auto part =
        merge_pages({page_of({1001, 3001}, 0, true), page_of({2002}, 2002, false)}, 10);
    EXPECT_THAT(ids_of(part), ElementsAre(1001U, 2002U));
    EXPECT_EQ(part.next_after_id, 2002U);
}

TEST(LetterShards, ALimitCutsAndSaysWhereToGoOn) {
    const auto list = merge_pages({page_of({1001, 3001}, 0, true), page_of({2002}, 0, true)}, 2);
    EXPECT_THAT(ids_of(list), ElementsAre(1001U, 2002U));
    EXPECT_EQ(list.next_after_id, 2002U);
}

}  // namespace
}  // namespace millrace::broker::delivery
