#include "client/cli/text/time_text.hpp"

#include <gtest/gtest.h>

#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

using std::chrono::microseconds;

// 2026-11-20T12:30:45.250Z
constexpr std::int64_t now_us = 1'795'177'845'250'000;
constexpr std::int64_t hour_us = 3'600'000'000;
constexpr std::int64_t midnight_us = now_us - 12 * hour_us - 30 * 60'000'000LL - 45'250'000;

TEST(ParseDuration, ReadsUnitsAndTheirSums) {
    EXPECT_EQ(parse_duration("90s"), microseconds{90'000'000});
    EXPECT_EQ(parse_duration("500ms"), microseconds{500'000});
    EXPECT_EQ(parse_duration("7us"), microseconds{7});
    EXPECT_EQ(parse_duration("1d12h"), microseconds{36 * hour_us});
    EXPECT_EQ(parse_duration("2w"), microseconds{hour_us * 14 * 24});
    EXPECT_EQ(parse_duration("3m"), parse_duration("3min"));
    EXPECT_EQ(parse_duration("0"), microseconds{0});
}

TEST(ParseDuration, RefusesWhatHasNoUnitOrOverflows) {
    for (const char* text : {"", "5", "h", "5y", "-5s", "5s ", "1h30", "99999999999999w"}) {
        EXPECT_FALSE(parse_duration(text)) << text;
    }
}

TEST(RequireDuration, NamesTheOptionAndWhatCouldStandThere) {
    try {
        static_cast<void>(require_duration("soon", "--timeout"));
        FAIL() << "did not throw";
    } catch (const UsageError& error) {
        EXPECT_EQ(std::string(error.what()),
                  "--timeout: \"soon\" is no length of time; write 500ms, 90s, 2h or 1d12h");
    }
}

TEST(FormatDuration, ShowsTheUnitsThatMatter) {
    EXPECT_EQ(format_duration(microseconds{250}), "250 us");
    EXPECT_EQ(format_duration(microseconds{250'000}), "250 ms");
    EXPECT_EQ(format_duration(microseconds{1'500'000}), "1.5 s");
    EXPECT_EQ(format_duration(microseconds{200'000'000}), "3m 20s");
    EXPECT_EQ(format_duration(microseconds{26 * hour_us}), "1d 2h");
    EXPECT_EQ(format_duration(microseconds{hour_us * 7 * 24}), "7d");
    EXPECT_EQ(format_duration(microseconds{hour_us}), "1h");
    EXPECT_EQ(format_duration(microseconds{-1'500'000}), "-1.5 s");
}

TEST(ParseTime, ReadsCalendarTimesAsUtc) {
    EXPECT_EQ(parse_time("2026-11-20", now_us), midnight_us);
    EXPECT_EQ(parse_time("2026-11-20T06:00", now_us), midnight_us + 6 * hour_us);
    EXPECT_EQ(parse_time("2026-11-20 12:30:45.25", now_us), now_us);
    EXPECT_EQ(parse_time("2026-11-20T12:30:45.250Z", now_us), now_us);
    EXPECT_EQ(parse_time("1970-01-01T00:00:01Z", now_us), 1'000'000);
}

TEST(ParseTime, TakesTheZoneOff) {
    EXPECT_EQ(parse_time("2026-11-20T13:30:45.25+01:00", now_us), now_us);
    EXPECT_EQ(parse_time("2026-11-20T07:00:45.25-0530", now_us), now_us);
}

TEST(ParseTime, ReadsWhatIsRelativeToNow) {
    EXPECT_EQ(parse_time("now", now_us), now_us);
    EXPECT_EQ(parse_time("today", now_us), midnight_us);
    EXPECT_EQ(parse_time("yesterday", now_us), midnight_us - 24 * hour_us);
    EXPECT_EQ(parse_time("06:00", now_us), midnight_us + 6 * hour_us);
    EXPECT_EQ(parse_time("-2h", now_us), now_us - 2 * hour_us);
    EXPECT_EQ(parse_time("2h ago", now_us), now_us - 2 * hour_us);
}

TEST(ParseTime, TellsSecondsMillisecondsAndMicrosecondsByTheirDigits) {
    EXPECT_EQ(parse_time("1795177845", now_us), 1'795'177'845'000'000);
    EXPECT_EQ(parse_time("1795177845250", now_us), now_us);
    EXPECT_EQ(parse_time("1795177845250000", now_us), now_us);
}

TEST(ParseTime, RefusesWhatIsNoTime) {
    for (const char* text : {"",
                             "tomorrow",
                             "2026-13-01",
                             "2026-02-30",
                             "2026-11-20T",
                             "2026-11-20T24:00",
                             "06:60",
                             "2026-11-20T06:00+1",
                             "2026-11-20T06:00Zx",
                             "12345",
                             "-",
                             "2026"}) {
        EXPECT_FALSE(parse_time(text, now_us)) << text;
    }
}

TEST(FormatTime, IsReadBackToTheSameMicrosecond) {
    for (const std::int64_t time : {now_us, now_us + 1, midnight_us, std::int64_t{1}}) {
        EXPECT_EQ(parse_time(format_time(time), now_us), time) << format_time(time);
    }
    EXPECT_EQ(format_time(now_us), "2026-11-20T12:30:45.250Z");
    EXPECT_EQ(format_time(now_us + 1), "2026-11-20T12:30:45.250001Z");
    EXPECT_EQ(format_time(0), "-");
}

}  // namespace
}  // namespace millrace::cli
