#include "broker/delivery/letters/letter_groups.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/wire/record.hpp"

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

Letter letter_of(std::uint64_t id, const std::string& error, Cause cause = Cause::mapping) {
    Letter letter{.id = id, .cause = cause, .error = error};
    letter.record = wire::format_plain_record(
        {.key = "k", .value = R"({"n":)" + std::to_string(id) + "}", .headers = {}});
    return letter;
}

TEST(LetterGroups, CountWithSpanAndExample) {
    LetterPage page{.letters = {}, .examined_upto = 6, .is_end = true};
    page.letters = {letter_of(4, "no product CH-9"),
                    letter_of(5, "no product CH-10"),
                    letter_of(6, "no product CH-10", Cause::poison)};
    page.letters[0].first_failure_us = 20;
    page.letters[0].last_failure_us = 30;
    page.letters[1].first_failure_us = 10;
    page.letters[1].last_failure_us = 25;
    const auto groups = group_letters(page, {.by = LetterGroupBy::error, .transform = {}}).value();
    EXPECT_EQ(groups.examined_upto, 6U);
    EXPECT_TRUE(groups.is_end);
    ASSERT_EQ(groups.groups.size(), 2U) << "a cause of its own is a group of its own";
    const auto& group = groups.groups.at({Cause::mapping, "no product #"});
    EXPECT_EQ(group.count, 2U);
    EXPECT_EQ(group.first_failure_us, 10);
    EXPECT_EQ(group.last_failure_us, 30);
    EXPECT_EQ(group.example_id, 4U);
    EXPECT_EQ(group.example, "no product CH-9");
}

TEST(LetterGroups, ATransformIsTriedAndItsErrorsAreCounted) {
    const LetterPage page{.letters = {letter_of(1, "x"), letter_of(2, "x"), letter_of(3, "x")},
                          .examined_upto = 3,
                          .is_end = false};
    const auto* const program =
        R"jq(if .value.n > 1 then error("no unit \(.value.n)") else .value.n = 7 end)jq";
    const auto groups =
        group_letters(page, {.by = LetterGroupBy::error, .transform = program}).value();
    EXPECT_EQ(groups.groups.at({Cause::mapping, "x"}).count, 3U);
    EXPECT_EQ(groups.mended, 1U);
    ASSERT_EQ(groups.refusals.size(), 1U) << groups.refusals.begin()->first;
    const auto& refused = groups.refusals.begin()->second;
    EXPECT_EQ(refused.count, 2U);
    EXPECT_EQ(refused.example_id, 2U);
    EXPECT_EQ(refused.example, "no unit 2");

    const auto bad = group_letters(page, {.by = LetterGroupBy::error, .transform = ".value |"});
    EXPECT_EQ(bad.error().code, Errc::invalid_argument);
    EXPECT_THAT(bad.error().text, ::testing::StartsWith("transform: jq"));
}

}  // namespace
}  // namespace millrace::broker::delivery
