#include "broker/delivery/rules/record_times.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

constexpr UnixMicros moment = 1'795'500'000'000'000;  // 2026-11-24T06:00:00Z

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

RecordTimes times_of(std::vector<wire::HeaderView> headers) {
    return record_times({.key = {}, .value = "v", .headers = std::move(headers)});
}

TEST(RecordTimes, UnreadableHeadersCountAsAbsent) {
    const auto times = times_of(
        {{.key = "deliver-after", .value = "later"}, {.key = "expires-at", .value = "1000"}});
    EXPECT_FALSE(times.deliver_after_us);
    EXPECT_EQ(times.expires_at_us, 1'000'000);
    EXPECT_EQ(times.unreadable_count, 1U);
}

TEST(RecordTimes, WaitsForTheEarlierOfDeliveryAndExpiry) {
    const auto times = times_of(
        {{.key = "deliver-after", .value = "5000"}, {.key = "expires-at", .value = "3000"}});
    EXPECT_EQ(times.waits_until(1'000'000), 3'000'000);
    EXPECT_FALSE(times.is_over(2'999'999));
    EXPECT_TRUE(times.is_over(3'000'000));
    EXPECT_FALSE(times.waits_until(5'000'000));
    EXPECT_FALSE(times_of({}).waits_until(0));
}

}  // namespace
}  // namespace millrace::broker::delivery
