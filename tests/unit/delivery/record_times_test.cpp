#include "broker/delivery/rules/record_times.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::delivery {
namespace {

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
