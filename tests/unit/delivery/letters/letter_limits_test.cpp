#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/delivery/letters/letter_gauges.hpp"
#include "broker/delivery/letters/letter_store.hpp"

namespace millrace::broker::delivery {
namespace {

using ::testing::HasSubstr;

constexpr std::uint32_t subscription = 3;

struct LetterLimitsTest : ::testing::Test {
    std::uint64_t open(UnixMicros first_failure_us, std::size_t record_bytes = 10) {
        Letter letter{.subscription = "q", .cause = Cause::mapping};
        letter.first_failure_us = first_failure_us;
        letter.record.resize(record_bytes);
        return letters.open(subscription, std::move(letter));
    }
    void change(std::uint64_t id, LetterState state) {
        const LetterChangeCommand command{.subscription = subscription, .id = id, .state = state};
        ASSERT_TRUE(letters.change(command).has_value());
    }

    broker::testing::ShardFixture fixture;
    LetterStore letters{
        fixture.shard->store(), GroupId{1}, {.letters_max = 3, .letters_bytes_max = 1'000}};
};

TEST_F(LetterLimitsTest, AtTheLimitThereIsAReasonAndBelowItNone) {
    open(1);
    const auto second = open(2);
    EXPECT_EQ(letters.full_reason(subscription), "");
    open(3);
    EXPECT_THAT(letters.full_reason(subscription), HasSubstr("limit letters_max of 3 is reached"));
    change(second, LetterState::redriven);
    EXPECT_NE(letters.full_reason(subscription), "") << "on its way is not over";
    change(second, LetterState::resolved);
    EXPECT_EQ(letters.full_reason(subscription), "");
    EXPECT_EQ(letters.full_reason(subscription + 1), "");
}

TEST_F(LetterLimitsTest, TheFirstOfTwoDecisionsCounts) {
    const auto again = [this](std::uint64_t id, LetterState state) {
        return letters.change({.subscription = subscription, .id = id, .state = state}).has_value();
    };
    const auto discarded = open(1);
    change(discarded, LetterState::discarded);
    EXPECT_FALSE(again(discarded, LetterState::discarded));
    EXPECT_FALSE(again(discarded, LetterState::resolved));
    const auto redriven = open(2);
    change(redriven, LetterState::redriven);
    EXPECT_FALSE(again(redriven, LetterState::redriven));
    change(redriven, LetterState::open);
    EXPECT_TRUE(again(redriven, LetterState::redriven)) << "it failed again and is open";
}

TEST_F(LetterLimitsTest, BytesCountToo) {
    const auto id = open(1, 999);
    EXPECT_EQ(letters.full_reason(subscription), "");
    open(2, 1);
    EXPECT_THAT(letters.full_reason(subscription), HasSubstr("letters_bytes_max of 1000"));
    change(id, LetterState::discarded);
    EXPECT_EQ(letters.active(subscription).bytes, 1U);
}

TEST_F(LetterLimitsTest, CountAndBytesComeBackFromTheState) {
    open(1, 100);
    const auto over = open(2, 50);
    change(over, LetterState::discarded);
    LetterStore again(fixture.shard->store(), GroupId{1});
    ASSERT_TRUE(again.restore().has_value());
    EXPECT_EQ(again.active(subscription).count, 1U);
    EXPECT_EQ(again.active(subscription).bytes, 100U);
    again.erase_all(subscription);
    EXPECT_EQ(again.active(subscription).count, 0U);
    EXPECT_EQ(again.active(subscription).bytes, 0U);
}

TEST_F(LetterLimitsTest, GaugesShowBytesAndHowNearTheLimitIs) {
    const auto now = fixture.clock.unix_now();
    const auto oldest = open(now - 90'000'000);
    open(now - 30'000'000);
    LetterGauges gauges(*fixture.shard, letters);
    const auto value_of = [this](const std::string& name) {
        const auto samples = fixture.metrics->samples();
        const auto found = std::ranges::find(samples, name, &MetricSample::name);
        return found == samples.end() ? -1.0 : found->value;
    };
    gauges.update(subscription, "q");
    EXPECT_EQ(value_of("millrace_delivery_letters_bytes"), 20);
    EXPECT_EQ(value_of("millrace_delivery_letters_limit_percent"), 66);
    change(oldest, LetterState::resolved);
    gauges.update(subscription, "q");
    EXPECT_EQ(value_of("millrace_delivery_letters_limit_percent"), 33);
}

}  // namespace
}  // namespace millrace::broker::delivery
