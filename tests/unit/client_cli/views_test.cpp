#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "client/cli/text/usage_error.hpp"
#include "client/cli/views/json_views.hpp"
#include "client/cli/views/letter_views.hpp"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

Letter letter_of(std::uint64_t id, const char* error) {
    Letter letter;
    letter.id = id;
    letter.error = error;
    letter.cause = Cause::mapping;
    letter.first_failure_us = static_cast<std::int64_t>(id) * 1'000'000;
    letter.last_failure_us = letter.first_failure_us + 500'000;
    return letter;
}

TEST(JsonViews, ATopicHasNumbersInPlainUnitsAndWordsForSets) {
    TopicDescription topic;
    topic.name = "a.b";
    topic.criticality = Criticality::critical;
    topic.partitions = {{.index = 0, .first_offset = 5, .next_offset = 9}};
    const auto json = to_json(topic);
    EXPECT_EQ(json["criticality"], "critical");
    EXPECT_EQ(json["durability"], "majority");
    EXPECT_EQ(json["partitions"][0]["next_offset"], 9);
}

TEST(JsonViews, LagIsNeverNegative) {
    EXPECT_EQ(to_json(CommittedOffset{"a", 0, 5, 9})["lag"], 4);
    EXPECT_EQ(to_json(CommittedOffset{"a", 0, 9, 5})["lag"], 0);
}

TEST(JsonViews, ALetterCarriesItsRecordOnlyWhenShown) {
    Letter letter = letter_of(7, "no product");
    EXPECT_FALSE(to_json(letter).contains("record"));
    letter.record = Record{.topic = "a.b", .value = R"({"qty":1})"};
    EXPECT_EQ(to_json(letter)["record"]["value"]["qty"], 1);
}

TEST(LetterGroups, OfErrorsShowTheirCauseAndOthersAnExample) {
    const LetterGroup group{.cause = Cause::mapping,
                            .name = "no product #",
                            .count = 1'200,
                            .first_failure_us = 2'000'000,
                            .last_failure_us = 5'500'000,
                            .example_id = 7,
                            .example = "no product CH-9"};
    std::ostringstream out;
    std::ostringstream err;
    Session session(Globals{}, {out, err, false});
    print_letter_groups(session, {group}, LetterGroupBy::error);
    EXPECT_THAT(out.str(), HasSubstr("1,200  mapping  no product #"));
    EXPECT_THAT(out.str(), HasSubstr("1970-01-01T00:00:02.000Z"));
    print_letter_groups(session, {group}, LetterGroupBy::topic);
    EXPECT_THAT(out.str(), HasSubstr("no product CH-9"));
}

TEST(PrintLetters, ShowsOneLineEachAndTheCauseByName) {
    std::ostringstream out;
    std::ostringstream err;
    Session session(Globals{}, {out, err, false});
    print_letters(session, {letter_of(1, "line one\nline two"), letter_of(2, "x")});
    EXPECT_THAT(out.str(), HasSubstr("mapping"));
    EXPECT_THAT(out.str(), HasSubstr("line one line two"));
    EXPECT_EQ(err.str(), "");
}

TEST(PrintLetter, WhatAMachineSentDoesNotSteerTheTerminal) {
    std::ostringstream out;
    std::ostringstream err;
    Session session(Globals{}, {out, err, false});
    Letter letter = letter_of(7, "x");
    letter.record = Record{.topic = "a.b",
                           .value =
                               "one\x1b[2J\ntwo\xc2\x9b"
                               "1mthree",
                           .headers = {{"a\x1b", "b\x07"}}};
    print_letter(session, letter);
    EXPECT_THAT(out.str(), HasSubstr("one [2J\ntwo 1mthree\n"));
    EXPECT_THAT(out.str(), HasSubstr("a : b \n"));
    EXPECT_EQ(out.str().find_first_of("\x1b\x07"), std::string::npos);
}

TEST(ParseStart, TakesWhatHoldsForAllPartitions) {
    EXPECT_EQ(parse_start("beginning", "--to").at, StartAt::earliest);
    EXPECT_EQ(parse_start("end", "--to").at, StartAt::latest);
    const StartPosition time = parse_start("@2026-11-20T06:00", "--to");
    EXPECT_EQ(time.at, StartAt::time);
    EXPECT_EQ(format_start(time), "2026-11-20T06:00:00.000Z");
    EXPECT_THROW(static_cast<void>(parse_start("17", "--to")), UsageError);
    EXPECT_THROW(static_cast<void>(parse_start("@-2h:-1h", "--to")), UsageError);
}

}  // namespace
}  // namespace millrace::cli
