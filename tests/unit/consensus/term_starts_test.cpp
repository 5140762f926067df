#include "broker/consensus/term_starts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::consensus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Start = TermStarts::Start;

Start start(std::uint64_t first, std::uint64_t term) {
    return {.first = RaftIndex{first}, .term = RaftTerm{term}};
}

class TermStartsTest : public ::testing::Test {
  protected:
    void note(std::uint64_t first, std::uint64_t last, std::uint64_t term) {
        for (auto index = first; index <= last; ++index) {
            starts.note(RaftIndex{index}, RaftTerm{term});
        }
    }
    /// 0 where it is not known.
    [[nodiscard]] std::uint64_t at(std::uint64_t index) const {
        return starts.at(RaftIndex{index}).value_or(RaftTerm{}).value;
    }

    TermStarts starts;
};

TEST_F(TermStartsTest, EachEntryHasTheTermThatItWasNotedWith) {
    note(1, 3, 1);
    note(4, 4, 2);
    note(5, 9, 7);
    EXPECT_EQ(at(0), 0U);
    EXPECT_EQ(at(1), 1U);
    EXPECT_EQ(at(3), 1U);
    EXPECT_EQ(at(4), 2U);
    EXPECT_EQ(at(5), 7U);
    EXPECT_EQ(at(9), 7U);
    EXPECT_EQ(at(10), 0U) << "there is none";
    EXPECT_THAT(starts.upto(RaftIndex{4}), ElementsAre(start(1, 1), start(4, 2)));
}

TEST_F(TermStartsTest, WhatIsTakenOutIsNotKnownAnyMore) {
    note(1, 5, 1);
    note(6, 8, 2);
    starts.cut(RaftIndex{4});
    EXPECT_EQ(at(3), 1U);
    EXPECT_EQ(at(4), 0U);
    note(4, 6, 3);
    EXPECT_EQ(at(3), 1U);
    EXPECT_EQ(at(4), 3U);
    EXPECT_EQ(at(6), 3U);
    EXPECT_EQ(at(7), 0U);
}

TEST_F(TermStartsTest, AnEntryInPlaceOfOthersTakesThemOut) {
    note(1, 9, 1);
    note(5, 5, 4);
    EXPECT_EQ(at(4), 1U);
    EXPECT_EQ(at(5), 4U);
    EXPECT_EQ(at(6), 0U);
}

TEST_F(TermStartsTest, BehindAHoleNothingOfBeforeIsKnown) {
    note(1, 3, 1);
    note(8, 9, 1);
    EXPECT_EQ(at(2), 0U);
    EXPECT_EQ(at(7), 0U);
    EXPECT_EQ(at(8), 1U);
}

TEST_F(TermStartsTest, WhatWasKnownBeforeGoesInFront) {
    note(10, 12, 3);
    note(13, 14, 5);
    starts.put_before({start(1, 1), start(6, 3), start(11, 4)}, RaftIndex{11});
    EXPECT_EQ(at(5), 1U);
    EXPECT_EQ(at(6), 3U);
    EXPECT_EQ(at(11), 3U) << "as it was noted";
    EXPECT_EQ(at(14), 5U);
    EXPECT_THAT(starts.upto(RaftIndex{14}), ElementsAre(start(1, 1), start(6, 3), start(13, 5)));
}

TEST_F(TermStartsTest, WhatDoesNotReachUpToTheRestIsOfNoUse) {
    note(10, 12, 3);
    starts.put_before({start(1, 1)}, RaftIndex{8});
    EXPECT_EQ(at(5), 0U);
    EXPECT_EQ(at(10), 3U);
}

TEST_F(TermStartsTest, WhereNothingWasNotedTheEarlierIsAll) {
    starts.put_before({start(4, 2), start(6, 3)}, RaftIndex{7});
    EXPECT_EQ(at(3), 0U);
    EXPECT_EQ(at(7), 3U);
    EXPECT_EQ(at(8), 0U);
    note(8, 8, 3);
    EXPECT_EQ(at(8), 3U);
}

TEST_F(TermStartsTest, OfMoreThanItKeepsTheOldestGo) {
    for (std::uint64_t term = 1; term <= TermStarts::starts_max + 1; ++term) {
        note(term, term, term);
    }
    EXPECT_EQ(at(1), 0U);
    EXPECT_EQ(at(2), 2U);
    EXPECT_EQ(at(TermStarts::starts_max + 1), TermStarts::starts_max + 1);
}

TEST_F(TermStartsTest, OfAnEmptyLogNothingIsKnown) {
    EXPECT_EQ(at(0), 0U);
    EXPECT_THAT(starts.upto(RaftIndex{5}), IsEmpty());
}

}  // namespace
}  // namespace millrace::broker::consensus
