#include "broker/odoo/ledger/marker_age.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace millrace::broker::odoo {
namespace {

using std::chrono::days;

constexpr std::uint64_t day_ms = 86'400'000;

TEST(MarkerAge, OutlivesTheLongestReplayWindow) {
    EXPECT_EQ(marker_age_max(400, {}), Duration(days(400)));
    EXPECT_EQ(marker_age_max(400, {.retentions_ms = {30 * day_ms}}), Duration(days(400)));
    EXPECT_EQ(marker_age_max(7, {.retentions_ms = {30 * day_ms, 90 * day_ms}}), Duration(days(91)));
}

TEST(MarkerAge, WhatWasReplayedJustBeforeItWentMayWaitForItsOwnRetention) {
    EXPECT_EQ(
        marker_age_max(7, {.retentions_ms = {30 * day_ms}, .replay_retention_ms = 7 * day_ms}),
        Duration(days(38)));
}

TEST(MarkerAge, TopicThatKeepsForEverKeepsMarkersForEver) {
    EXPECT_FALSE(marker_age_max(400, {.retentions_ms = {30 * day_ms, 0}}));
    EXPECT_FALSE(marker_age_max(400, {.retentions_ms = {~0ULL}}));
    EXPECT_FALSE(marker_age_max(0, {.retentions_ms = {30 * day_ms}}));
}

TEST(MarkerAge, OutlivesTheOldestLetterAndWhatItsRecordWasOldThen) {
    EXPECT_EQ(marker_age_max(7, {.retentions_ms = {30 * day_ms}, .oldest_letter = days(500)}),
              Duration(days(531)));
    EXPECT_EQ(marker_age_max(7, {.retentions_ms = {}, .oldest_letter = days(3)}),
              Duration(days(7)));
}

}  // namespace
}  // namespace millrace::broker::odoo
