#include "broker/delivery/jobs/replay/replay_job.hpp"

#include <algorithm>
#include <deque>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/delivery/jobs/fake_shards.hpp"

#include "broker/catalog/replay_topic.hpp"
#include "broker/delivery/jobs/pacer.hpp"
#include "broker/delivery/jobs/replay/origin.hpp"

namespace millrace::broker::delivery {
namespace {

using ::testing::ElementsAre;
using testing::FakeControl;
using testing::FakeShards;
using ::testing::HasSubstr;

Job replay_of(const std::string& target) {
    Job job{.id = 7, .created_us = 10'000};
    job.replay = {.topics = {"a.>"}, .from_us = 100, .to_us = 5'000, .to_topic = target};
    return job;
}

/// Two topics over two shards; every batch has a record that says when it was appended.
struct ReplayJobTest : ::testing::Test {
    ReplayJobTest() {
        shards.add_topic("a.x", 2, 1);
        shards.add_topic("a.y", 2, 11);
        shards.add_topic("b.z", 1, 21);
        shards.add_topic("copy", 2, 31);
    }
    void append(std::uint32_t partition, UnixMicros time_us) {
        const ShardId shard{(partition + 1) % 2};
        values.push_back(std::to_string(time_us));
        keys.push_back("k" + std::to_string(partition));
        const Offset offset{offsets[partition]++};
        shards.append(shard,
                      {.partition = PartitionId{partition},
                       .base_offset = offset,
                       .append_time_us = time_us,
                       .records = {{.key = keys.back(),
                                    .value = values.back(),
                                    .headers = {{.key = "machine", .value = keys.back()}},
                                    .event_time_us = time_us * 1'000}}});
    }
    std::vector<std::string> sent_values() const {
        std::vector<std::string> all;
        for (const auto& one : shards.sent) {
            all.push_back(one.value);
        }
        return all;
    }

    FakeShards shards;
    FakeControl control;
    std::deque<std::string> values;
    std::deque<std::string> keys;
    std::map<std::uint32_t, std::uint64_t> offsets;
};

TEST_F(ReplayJobTest, ShardsAreMergedByAppendTimeWithinTheWindow) {
    append(1, 99);  // before the window
    append(1, 100);
    append(2, 101);
    append(12, 150);
    append(11, 151);
    append(2, 160);
    append(21, 170);  // another topic
    append(1, 4'999);
    append(2, 5'000);  // the window's end is outside
    auto job = replay_of("copy");
    job.replay.records_per_second = 1'000'000;  // each record by itself
    const auto end = run_replay(job, shards, control);
    EXPECT_EQ(end.state, JobState::done) << end.reason;
    EXPECT_THAT(sent_values(), ElementsAre("100", "101", "150", "151", "160", "4999"));
    EXPECT_EQ(control.committed.back().sent, 6U);
    EXPECT_EQ(control.committed.back().matched, 6U);
}

TEST_F(ReplayJobTest, RecordsKeepTheirOwnAndCarryIdAndOrigin) {
    append(2, 101);
    append(2, 102);
    ASSERT_EQ(run_replay(replay_of("copy"), shards, control).state, JobState::done);
    ASSERT_EQ(shards.sent.size(), 2U);
    EXPECT_EQ(shards.sent[1].key, "k2");
    EXPECT_EQ(shards.sent[1].replay_id, "7");
    EXPECT_EQ(shards.sent[1].origin, "a.x/1@1");
    EXPECT_EQ(shards.sent[1].event_time_us, 102'000);
    EXPECT_EQ(shards.sent[0].partition, shards.sent[1].partition) << "one key, one partition";
}

TEST_F(ReplayJobTest, FiltersNarrowTogetherAndTheRestIsCounted) {
    append(1, 101);
    append(2, 102);
    append(2, 103);
    auto job = replay_of("copy");
    job.replay.key = "k2";
    job.replay.headers = {{"machine", "k2"}};
    job.replay.where = ".value == 103 and .topic == \"a.x\" and .offset == 1";
    ASSERT_EQ(run_replay(job, shards, control).state, JobState::done);
    EXPECT_THAT(sent_values(), ElementsAre("103"));
    EXPECT_EQ(control.committed.back().skipped, 2U);
}

TEST_F(ReplayJobTest, ByEventTimeTheWholeLogIsLookedAtUpToTheJobsBegin) {
    append(1, 50);
    append(1, 200);
    append(2, 9'999);
    append(2, 10'000);  // appended when the job had begun
    auto job = replay_of("copy");
    job.replay.by = ReplayBy::event;
    job.replay.from_us = 50'000;
    job.replay.to_us = 10'000'000;
    ASSERT_EQ(run_replay(job, shards, control).state, JobState::done);
    auto sent = sent_values();
    std::ranges::sort(sent);
    EXPECT_THAT(sent, ElementsAre("200", "50", "9999"));
}

TEST_F(ReplayJobTest, GoesOnBehindWhatWasCommittedWhereverItStops) {
    for (UnixMicros time = 100; time < 130; ++time) {
        append(static_cast<std::uint32_t>(time % 2) + 1, time);
    }
    auto job = replay_of("copy");
    job.replay.records_per_second = 1'000'000;
    for (std::size_t lives = 1; lives <= 60; ++lives) {
        FakeControl life;
        life.stops_after_commits = 1;
        const auto end = run_replay(job, shards, life);
        job.progress = life.committed.back();
        if (end.state == JobState::done) {
            break;
        }
        ASSERT_EQ(end.state, JobState::running) << end.reason;
    }
    ASSERT_EQ(shards.sent.size(), 30U) << "each record once, although the job stopped behind each";
    EXPECT_TRUE(std::ranges::is_sorted(sent_values()));
}

TEST_F(ReplayJobTest, AfterALostCommitItSendsAgainRatherThanLeaveOut) {
    append(1, 101);
    append(1, 102);
    auto job = replay_of("copy");
    ASSERT_EQ(run_replay(job, shards, control).state, JobState::done);
    ASSERT_EQ(run_replay(job, shards, control).state, JobState::done);  // progress was lost
    EXPECT_THAT(sent_values(), ElementsAre("101", "102", "101", "102"));
}

TEST_F(ReplayJobTest, WhatMayPassIsTriedAgainAndWhatStaysFailsTheJob) {
    append(1, 101);
    shards.failures = {fail(Errc::limit_reached, "limit publish_bytes_pending_max")};
    EXPECT_EQ(run_replay(replay_of("copy"), shards, control).state, JobState::done);
    EXPECT_EQ(control.committed.back().errors, 1U);
    EXPECT_THAT(control.noted, ElementsAre("limit publish_bytes_pending_max"));
    EXPECT_THAT(sent_values(), ElementsAre("101"));

    shards.failures = {fail(Errc::topic_retired, "topic copy is retired")};
    const auto end = run_replay(replay_of("copy"), shards, control);
    EXPECT_EQ(end.state, JobState::failed);
    EXPECT_EQ(end.reason, "topic copy is retired");
    EXPECT_THAT(run_replay(replay_of("gone"), shards, control).reason, HasSubstr("\"gone\""));
}

TEST_F(ReplayJobTest, RecordTooLargeForABatchGoesPacked) {
    const std::string large(3 * shards.batch_bytes_max / 2, 'v');
    shards.append(ShardId{0},
                  {.partition = PartitionId{1},
                   .base_offset = Offset{0},
                   .append_time_us = 200,
                   .records = {{.key = "k", .value = large, .headers = {}, .event_time_us = 1}}});
    const auto end = run_replay(replay_of("copy"), shards, control);
    EXPECT_EQ(end.state, JobState::done);
    EXPECT_THAT(sent_values(), ElementsAre(large));
}

TEST_F(ReplayJobTest, OriginalSpacingIsKeptScaled) {
    append(1, 1'000);
    append(2, 2'000);
    append(1, 4'000);
    auto job = replay_of("copy");
    job.replay.time_scale = 10;
    const auto begin = control.manual.steady_now();
    ASSERT_EQ(run_replay(job, shards, control).state, JobState::done);
    EXPECT_EQ(control.manual.steady_now() - begin, Duration(300));
    EXPECT_EQ(shards.sent.size(), 3U);
}

TEST_F(ReplayJobTest, DryRunCountsAndSendsNothing) {
    append(1, 101);
    append(2, 102);
    auto job = replay_of("");
    job.replay.is_dry_run = true;
    ASSERT_EQ(run_replay(job, shards, control).state, JobState::done);
    EXPECT_EQ(control.committed.back().matched, 2U);
    EXPECT_TRUE(shards.sent.empty());
}

TEST_F(ReplayJobTest, ASubscriptionGetsATopicOfItsOwnThatNoPatternMatches) {
    auto next = std::make_shared<CatalogView>(*shards.view);
    auto info = std::make_shared<SubscriptionInfo>();
    info->name = "q";
    info->topics = {"a.>"};
    next->subscriptions["q"] = info;
    shards.view = next;
    append(1, 101);
    auto job = replay_of("");
    job.replay.to_subscription = "q";
    ASSERT_EQ(run_replay(job, shards, control).state, JobState::done);
    const auto topic = shards.view->topics.at(replay_topic_of("q"));
    EXPECT_EQ(topic->partitions.size(), 2U);
    EXPECT_THAT(sent_values(), ElementsAre("101"));
    EXPECT_TRUE(shards.view->matching({}).size() == 4);
    EXPECT_TRUE(shards.view->matching({">"}).size() == 4);
    EXPECT_EQ(shards.view->matching({"millrace.replay.*"}).size(), 1U);
}

TEST(Pacer, ARateIsEvenAndMakesUpForNoLongPause) {
    ManualClock clock;
    Pacer pacer({.records_per_second = 100}, clock);
    EXPECT_EQ(pacer.wait_of(0), Duration(0));
    pacer.count();
    EXPECT_EQ(pacer.wait_of(0), Duration(10'000));
    clock.advance(std::chrono::seconds(60));
    int burst = 0;
    for (; pacer.wait_of(0) == Duration(0); ++burst) {
        pacer.count();
    }
    EXPECT_EQ(burst, 11) << "a tenth of a second, and the one that is due";
}

TEST(Pacer, NumbersBeyondAllBoundsWaitLongAndNothingElse) {
    ManualClock clock;
    Pacer slow({.records_per_second = 1e-300}, clock);
    EXPECT_EQ(slow.wait_of(0), Duration(0));
    slow.count();
    EXPECT_GT(slow.wait_of(0), std::chrono::hours(24));
    Pacer scaled({.time_scale = 1e-300}, clock);
    EXPECT_EQ(scaled.wait_of(0), Duration(0));
    EXPECT_GT(scaled.wait_of(5), std::chrono::hours(24));
}

TEST(Origin, IsWrittenAndReadAndRefusedWhenBroken) {
    const RecordOrigin origin{.topic = "a.b", .partition_index = 3, .offset = Offset{17}};
    EXPECT_EQ(format_origin(origin), "a.b/3@17");
    const auto parsed = parse_origin("a.b/3@17");
    ASSERT_TRUE(parsed.has_value());
    EXPECT_EQ(parsed->topic, "a.b");
    EXPECT_EQ(parsed->partition_index, 3U);
    EXPECT_EQ(parsed->offset, Offset{17});
    for (const auto* const bad : {"", "a.b", "a.b/3", "a.b@3/1", "A/1@2", "a.b/x@1", "a.b/1@-2"}) {
        EXPECT_FALSE(parse_origin(bad).has_value()) << bad;
    }
}

}  // namespace
}  // namespace millrace::broker::delivery
