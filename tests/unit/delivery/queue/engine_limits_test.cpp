#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/delivery/queue/engine_world.hpp"

namespace millrace::broker::delivery {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

/// What may wait in a subscription.
class EngineLimits : public testing::EngineWorld {};

TEST_F(EngineLimits, AtItsLimitOfWaitingRecordsItStopsReadingAndSaysWhy) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.waiting_records_max = 100;
    create(info);
    publish(partition,
            std::vector<Outgoing>(
                100, {.key = "", .value = "v", .headers = {{"deliver-after", in(60s)}}}));
    publish(partition, {{.key = "", .value = "next"}});
    const auto inbox = open(1);
    pass(1s);
    publish(partition, {{.key = "", .value = "later"}});
    EXPECT_THAT(inbox->take_values(), ::testing::Not(::testing::Contains("later")));
    EXPECT_THAT(progress().reason, HasSubstr("limit waiting_records_max of 100 is reached"));
    pass(61s);
    EXPECT_THAT(inbox->take_values(), ::testing::Contains("later"));
}

TEST_F(EngineLimits, AtItsLimitOfKeysBehindLettersItStopsReadingAndTheGaugeShowsIt) {
    const auto partition = fixture_.make_topic("a.b").front();
    SubscriptionInfo info;
    info.parked_keys_max = 100;
    info.window = 100;
    create(info);
    constexpr std::size_t more_than_may_be_busy = 4'000;
    constexpr std::size_t batch = 50;  // far less than is read at a time
    for (std::size_t first = 0; first < more_than_may_be_busy; first += batch) {
        std::vector<Outgoing> records;
        for (auto i = first; i < first + batch; ++i) {
            records.push_back({.key = "K" + std::to_string(i), .value = std::string(1'000, 'x')});
        }
        publish(partition, records);
    }
    const auto inbox = open(1, more_than_may_be_busy);
    std::size_t failed = 0;
    for (auto got = inbox->take(); !got.empty(); got = inbox->take()) {
        for (const auto& one : got) {
            nack(1, one, Cause::mapping);
        }
        failed += got.size();
    }
    EXPECT_GE(failed, info.parked_keys_max);
    EXPECT_LT(failed, more_than_may_be_busy);
    EXPECT_THAT(progress().reason, HasSubstr("limit parked_keys_max of 100 is reached"));
    pass(20s);
    EXPECT_GE(metric("millrace_delivery_limit_percent"), 100);
    EXPECT_EQ(metric("millrace_delivery_parked_keys"), 0) << "nothing waits behind the letters";
}

}  // namespace
}  // namespace millrace::broker::delivery
