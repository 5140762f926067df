#include "broker/delivery/letters/letter_groups.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

TEST(ErrorPattern, NumbersIdsAndQuotationsBecomeOne) {
    EXPECT_EQ(error_pattern("no product CH-9"), "no product #");
    EXPECT_EQ(error_pattern("no product CH-10"), "no product #");
    EXPECT_EQ(error_pattern("order 17 of plant1.mes/3@4 at 12:03 failed"),
              "order # of # at # failed");
    EXPECT_EQ(error_pattern("unknown value 'blue' for \"color\""), "unknown value # for #");
    EXPECT_EQ(error_pattern("(42)"), "(#)");
}

TEST(ErrorPattern, WordsAndApostrophesStay) {
    EXPECT_EQ(error_pattern("can't reach Odoo, isn't there"), "can't reach Odoo, isn't there");
    EXPECT_EQ(error_pattern("a lone ' quote"), "a lone ' quote");
    EXPECT_EQ(error_pattern(""), "");
    EXPECT_LE(error_pattern(std::string(10'000, '(')).size(), 200U);
}

TEST(LetterGroups, CountWithSpanAndExample) {
    LetterGroups groups;
    Letter letter{.id = 4, .cause = Cause::mapping, .error = "no product CH-9"};
    letter.first_failure_us = 20;
    letter.last_failure_us = 30;
    add_letter(groups, letter, LetterGroupBy::error);
    letter = {.id = 5, .cause = Cause::mapping, .error = "no product CH-10"};
    letter.first_failure_us = 10;
    letter.last_failure_us = 25;
    add_letter(groups, letter, LetterGroupBy::error);
    letter.cause = Cause::poison;
    add_letter(groups, letter, LetterGroupBy::error);
    ASSERT_EQ(groups.groups.size(), 2U) << "a cause of its own is a group of its own";
    const auto& group = groups.groups.at({Cause::mapping, "no product #"});
    EXPECT_EQ(group.count, 2U);
    EXPECT_EQ(group.first_failure_us, 10);
    EXPECT_EQ(group.last_failure_us, 30);
    EXPECT_EQ(group.example_id, 4U);
    EXPECT_EQ(group.example, "no product CH-9");
}

}  // namespace
}  // namespace millrace::broker::delivery
