#include "client/cli/text/position_text.hpp"

#include <gtest/gtest.h>

#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

constexpr std::int64_t now_us = 1'795'177'845'250'000;

ReadPosition parse(const char* text) {
    return parse_position(text, now_us, "--from");
}
std::int64_t at(const char* text) {
    return parse_time(text, now_us).value();
}

TEST(ParsePosition, ReadsWordsOffsetsAndTimes) {
    EXPECT_EQ(parse("beginning"), ReadPosition{FromBeginning{}});
    EXPECT_EQ(parse("end"), ReadPosition{FromEnd{}});
    EXPECT_EQ(parse("1042"), ReadPosition{FromOffset{1042}});
    EXPECT_EQ(parse("@-1h"), ReadPosition{FromTime{at("-1h")}});
    EXPECT_EQ(parse("@06:00:07"), ReadPosition{FromTime{at("06:00:07")}});
}

TEST(ParsePosition, FindsTheColonThatDividesAWindow) {
    const TimeWindow morning{at("2026-11-20T06:00"), at("2026-11-20T07:00")};
    EXPECT_EQ(parse("@2026-11-20T06:00:2026-11-20T07:00"), ReadPosition{morning});
    EXPECT_EQ(parse("@2026-11-20T06:00Z:2026-11-20T07:00Z"), ReadPosition{morning});
    EXPECT_EQ(parse("@2026-11-20T06:00..2026-11-20T07:00"), ReadPosition{morning});
    const TimeWindow hours{at("06:00"), at("07:00")};
    EXPECT_EQ(parse("@06:00:07:00"), ReadPosition{hours});
    const TimeWindow relative{at("-2h"), at("-1h")};
    EXPECT_EQ(parse("@-2h:-1h"), ReadPosition{relative});
    const TimeWindow numbers{1'790'000'000'000'000, 1'790'003'600'000'000};
    EXPECT_EQ(parse("@1790000000:1790003600"), ReadPosition{numbers});
}

TEST(ParsePosition, AWindowMayBeOpenOnOneSide) {
    const TimeWindow since{at("-2h"), INT64_MAX};
    EXPECT_EQ(parse("@-2h:"), ReadPosition{since});
    const TimeWindow until{0, at("06:00")};
    EXPECT_EQ(parse("@..06:00"), ReadPosition{until});
}

TEST(ParsePosition, AsksForDotsWhereAWindowCanBeReadInTwoWays) {
    EXPECT_THROW(static_cast<void>(parse("@01:02:03:04:05")), UsageError);
    const TimeWindow window{at("01:02:03"), at("04:05")};
    EXPECT_EQ(parse("@01:02:03..04:05"), ReadPosition{window});
}

TEST(ParsePosition, RefusesAWindowThatEndsBeforeItBegins) {
    EXPECT_THROW(static_cast<void>(parse("@-1h:-2h")), UsageError);
    EXPECT_THROW(static_cast<void>(parse("@now..now")), UsageError);
}

TEST(ParsePosition, RefusesEverythingElse) {
    for (const char* text : {"", "start", "-5", "@", "@noon", "@:", "1.5", "06:00"}) {
        EXPECT_THROW(static_cast<void>(parse(text)), UsageError) << text;
    }
}

}  // namespace
}  // namespace millrace::cli
