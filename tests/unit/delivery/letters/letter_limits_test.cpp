#include "broker/delivery/letters/letter_limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/delivery/letters/letter_gauges.hpp"
#include "broker/delivery/letters/letter_store.hpp"

namespace millrace::broker::delivery {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::uint32_t subscription = 3;

struct LetterLimitsTest : ::testing::Test {
    std::uint64_t open(UnixMicros first_failure_us, std::size_t record_bytes = 10) {
        Letter letter{.subscription = "q", .cause = Cause::mapping};
        letter.first_failure_us = first_failure_us;
        letter.record.resize(record_bytes);
        return letters.open(subscription, std::move(letter));
    }
    void change(std::uint64_t id, LetterState state, const LetterAction& action = {}) {
        const LetterChangeCommand command{
            .subscription = subscription, .id = id, .state = state, .action = action};
        ASSERT_TRUE(letters.change(command).has_value());
    }
    [[nodiscard]] std::vector<std::uint64_t> kept(const LetterStore& store) const {
        std::vector<std::uint64_t> ids;
        const auto page = store.find(subscription, {}, [](const Letter&) { return true; });
        for (const auto& letter : page.value().letters) {
            ids.push_back(letter.id);
        }
        return ids;
    }

    broker::testing::ShardFixture fixture;
    LetterStore letters{fixture.shard->store(),
                        GroupId{1},
                        {.letters_max = 3,
                         .letters_bytes_max = 1'000,
                         .settled_letters_max = 3,
                         .settled_letters_bytes_max = 5'000}};
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

TEST_F(LetterLimitsTest, OfThoseThatAreOverTheLastSettledStay) {
    std::vector<std::uint64_t> ids;
    ids.reserve(5);
    for (int i = 0; i < 5; ++i) {
        ids.push_back(open(1));
    }
    // The order in which they are settled counts, not the one in which they were opened.
    UnixMicros time_us = 100;
    for (const auto i : {4U, 0U, 3U, 2U}) {
        change(ids[i], LetterState::discarded, {.time_us = ++time_us});
    }
    EXPECT_THAT(kept(letters), ElementsAre(ids[0], ids[1], ids[2], ids[3]));
    EXPECT_EQ(letters.counts(subscription, LetterState::discarded)[4], 3U);

    LetterStore again(fixture.shard->store(), GroupId{1}, letters.limits());
    ASSERT_TRUE(again.restore());
    ASSERT_TRUE(again.change({.subscription = subscription,
                              .id = ids[1],
                              .state = LetterState::discarded,
                              .action = {.time_us = 200}}));
    EXPECT_THAT(kept(again), ElementsAre(ids[1], ids[2], ids[3]));
    EXPECT_EQ(again.counts(subscription, LetterState::discarded)[4], 3U);
}

TEST_F(LetterLimitsTest, OfThoseThatAreOverTheBytesHaveALimit) {
    const auto first = open(1, 2'400);
    const auto second = open(1, 2'400);
    change(first, LetterState::discarded, {.time_us = 1});
    change(second, LetterState::discarded, {.time_us = 2});
    EXPECT_THAT(kept(letters), ElementsAre(first, second));
    const auto third = open(1, 200);
    change(third, LetterState::discarded, {.time_us = 3});
    EXPECT_THAT(kept(letters), ElementsAre(second, third));
    const auto large = open(1, 10'000);
    change(large, LetterState::discarded, {.time_us = 4});
    EXPECT_THAT(kept(letters), ElementsAre(large)) << "the newest stays in any case";
}

TEST_F(LetterLimitsTest, SettledLettersOfTheEarlierFormGoFirst) {
    const auto old = open(1);
    change(old, LetterState::discarded, {.time_us = 500});
    std::string row;
    ASSERT_TRUE(fixture.shard->store().visit_state("x/", "", [&row](std::string_view key, auto) {
        row = key;
        return true;
    }));
    fixture.shard->store().put_state(row, "7/12/0/some key");
    LetterStore again(fixture.shard->store(), GroupId{1}, letters.limits());
    ASSERT_TRUE(again.restore());
    for (UnixMicros time_us = 1; time_us <= 3; ++time_us) {
        const auto id = again.open(subscription, {.subscription = "q", .cause = Cause::mapping});
        ASSERT_TRUE(again.change({.subscription = subscription,
                                  .id = id,
                                  .state = LetterState::discarded,
                                  .action = {.time_us = time_us}}));
    }
    EXPECT_THAT(kept(again), SizeIs(3));
    EXPECT_FALSE(again.load(subscription, old));
}

TEST_F(LetterLimitsTest, TheHistoryOfALetterCountsAndIsCut) {
    const auto id = open(1);
    const std::string reason(900, 'r');
    change(id, LetterState::open, {.time_us = 1, .action = "edited", .by = "me", .text = reason});
    EXPECT_GT(letters.active(subscription).bytes, 900U);
    for (int i = 0; i < 400; ++i) {
        change(id,
               LetterState::open,
               {.time_us = i, .action = "failed again", .by = "broker", .text = reason});
    }
    const auto letter = letters.load(subscription, id).value();
    EXPECT_EQ(letter.actions.size(), letter_actions_max);
    EXPECT_EQ(letter.actions.front().action, "edited");
    EXPECT_EQ(letter.actions.back().time_us, 399);
    change(id, LetterState::discarded);
    EXPECT_EQ(letters.active(subscription).bytes, 0U);
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
