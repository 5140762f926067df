#include "broker/delivery/letters/letter_history.hpp"

#include <gmock/gmock.h>

#include "broker/delivery/jobs/redrive_plan.hpp"
#include "broker/delivery/letters/letter_limits.hpp"

namespace millrace::broker::delivery {
namespace {

using ::testing::SizeIs;

LetterAction action(UnixMicros time_us, std::string text = "why") {
    return {.time_us = time_us, .action = "redriven", .by = "me", .text = std::move(text)};
}

TEST(LetterHistory, FirstAndNewestActionsStay) {
    Letter letter;
    for (std::size_t i = 0; i < letter_actions_max; ++i) {
        letter.actions.push_back(action(static_cast<UnixMicros>(i)));
    }
    trim_history(letter.actions);
    EXPECT_THAT(letter.actions, SizeIs(letter_actions_max)) << "at the limit nothing goes";
    letter.actions.push_back(action(1'000));
    trim_history(letter.actions);
    ASSERT_THAT(letter.actions, SizeIs(letter_actions_max));
    EXPECT_EQ(letter.actions[0].time_us, 0);
    EXPECT_EQ(letter.actions[1].time_us, 2);
    EXPECT_EQ(letter.actions.back().time_us, 1'000);
}

TEST(LetterHistory, FailuresBeforeTheOpeningStayWithIt) {
    std::vector<LetterAction> actions;
    for (UnixMicros time_us = 0; time_us < 3; ++time_us) {
        actions.push_back({.time_us = time_us, .action = "failed", .by = "broker", .text = "why"});
    }
    actions.push_back({.time_us = 3, .action = letter_opened, .by = "broker", .text = "poison"});
    for (std::size_t i = 0; i < 2 * letter_actions_max; ++i) {
        actions.push_back(action(4 + static_cast<UnixMicros>(i)));
        trim_history(actions);
    }
    ASSERT_THAT(actions, SizeIs(letter_actions_max));
    EXPECT_EQ(actions[0].time_us, 0);
    EXPECT_EQ(actions[3].action, letter_opened);
    EXPECT_EQ(opened_us(actions), 3) << "the letter is as old as its opening";
    EXPECT_GT(actions[4].time_us, 5);
}

TEST(LetterHistory, LetterThatNobodyOpenedIsAsOldAsItsFirstAction) {
    EXPECT_EQ(opened_us({}), 0);
    EXPECT_EQ(opened_us({action(7), action(8)}), 7);
}

TEST(LetterHistory, BytesHaveALimitAndTheNewestStaysInAnyCase) {
    std::vector<LetterAction> actions;
    for (int i = 0; i < 8; ++i) {
        actions.push_back(action(i, std::string(letter_action_bytes_max - 100, 'x')));
        trim_history(actions);
        EXPECT_LE(history_bytes(actions), letter_history_bytes_max);
        EXPECT_EQ(actions.back().time_us, i);
        EXPECT_EQ(actions.front().time_us, 0);
    }
    EXPECT_THAT(actions, SizeIs(4));
    std::vector<LetterAction> large{action(0),
                                    action(1, std::string(letter_history_bytes_max, 'x'))};
    trim_history(large);
    EXPECT_THAT(large, SizeIs(2));
}

TEST(LetterHistory, MarksOfJobsStayBesideIt) {
    Letter letter;
    letter.actions.push_back(action(0));
    constexpr std::uint64_t first_job = 1;
    constexpr std::uint64_t last_job = letter_marks_max;
    for (auto job = first_job; job <= last_job; ++job) {
        letter.actions.push_back(action(1, redrive_mark(job)));
    }
    for (std::size_t i = 0; i < 3 * letter_actions_max; ++i) {
        letter.actions.push_back(action(2));
        trim_history(letter.actions);
    }
    EXPECT_TRUE(has_mark(letter, first_job));
    EXPECT_TRUE(has_mark(letter, last_job));
    EXPECT_THAT(letter.actions, SizeIs(letter_actions_max + letter_marks_max));

    letter.actions.push_back(action(3, redrive_mark(last_job + 1)));
    for (std::size_t i = 0; i < letter_actions_max; ++i) {
        letter.actions.push_back(action(4));
        trim_history(letter.actions);
    }
    EXPECT_FALSE(has_mark(letter, first_job)) << "so many newer jobs have sent it since";
    EXPECT_TRUE(has_mark(letter, last_job + 1));
}

}  // namespace
}  // namespace millrace::broker::delivery
