#include "storage/base/text/time_headers.hpp"

#include <gtest/gtest.h>

namespace millrace {
namespace {

constexpr std::int64_t moment = 1'795'500'000'000'000;  // 2026-11-24T06:00:00Z

TEST(ParseMoment, TakesRfc3339AndMilliseconds) {
    EXPECT_EQ(parse_moment("2026-11-24T06:00:00Z"), moment);
    EXPECT_EQ(parse_moment("2026-11-24t06:00:00z"), moment);
    EXPECT_EQ(parse_moment("2026-11-24T07:30:00+01:30"), moment);
    EXPECT_EQ(parse_moment("2026-11-23T22:00:00-08:00"), moment);
    EXPECT_EQ(parse_moment("2026-11-24T06:00:00.25Z"), moment + 250'000);
    EXPECT_EQ(parse_moment("2026-11-24T06:00:00.1234567Z"), moment + 123'456);
    EXPECT_EQ(parse_moment("1795500000000"), moment);
    EXPECT_EQ(parse_moment("0"), 0);
}

TEST(ParseMoment, TakesNothingElse) {
    for (const std::string_view text : {"",
                                        "soon",
                                        "-1",
                                        "2026-11-24",
                                        "2026-11-24T06:00:00",
                                        "2026-11-24T06:00Z",
                                        "2026-13-24T06:00:00Z",
                                        "2026-02-30T06:00:00Z",
                                        "2026-11-24T24:00:00Z",
                                        "2026-11-24T06:60:00Z",
                                        "2026-11-24T06:00:00.Z",
                                        "2026-11-24T06:00:00Z ",
                                        "2026-11-24T06:00:00+0100",
                                        "99999999999999999999"}) {
        EXPECT_FALSE(parse_moment(text)) << text;
    }
}

TEST(TimeHeaders, OneThatSaysNoTimeIsAFaultAndOthersMaySayAnything) {
    for (const auto name : {deliver_after_header, expires_at_header}) {
        EXPECT_FALSE(time_header_fault(name, "2026-11-24T06:00:00Z"));
        EXPECT_FALSE(time_header_fault(name, "1795500000000"));
        const auto fault = time_header_fault(name, "tomorrow");
        ASSERT_TRUE(fault);
        EXPECT_NE(fault->find("the header " + std::string(name) + " says no time: \"tomorrow\""),
                  std::string::npos);
    }
    EXPECT_FALSE(time_header_fault("delivered", "tomorrow"));
}

}  // namespace
}  // namespace millrace
