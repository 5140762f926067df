#include "broker/delivery/jobs/redrive_job.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/delivery/jobs/fake_shards.hpp"

#include "broker/delivery/jobs/redrive_plan.hpp"

namespace millrace::broker::delivery {
namespace {

using ::testing::ElementsAre;
using testing::FakeControl;
using testing::FakeShards;
using ::testing::HasSubstr;

struct RedriveJobTest : ::testing::Test {
    RedriveJobTest() {
        job.id = 7;
        job.kind = JobKind::redrive;
        job.by = "ann";
        job.created_us = 1'000;
        job.redrive.query.subscription = "q";
    }
    void open(std::uint64_t count) {
        for (std::uint64_t id = 1; id <= count; ++id) {
            shards.open_letter(id, "k" + std::to_string(id), Offset{id});
        }
    }
    [[nodiscard]] const JobProgress& progress() const { return control.committed.back(); }

    FakeShards shards;
    FakeControl control;
    Job job;
};

TEST_F(RedriveJobTest, EveryOpenLetterGoesOutOnceAndIsCounted) {
    open(5);
    shards.settle_letter(2, LetterState::discarded);
    shards.failing_keys = {"k3"};
    job.redrive.failure_share_max = 1;
    const auto end = run_redrive(job, shards, control);
    EXPECT_EQ(end.state, JobState::done) << end.reason;
    EXPECT_THAT(shards.redriven_ids, ElementsAre(1, 3, 4, 5));
    EXPECT_EQ(progress().total, 4U);
    EXPECT_EQ(progress().sent, 4U);
    EXPECT_EQ(progress().settled, 3U);
    EXPECT_EQ(progress().failed, 1U);
    EXPECT_EQ(shards.letters.at(1).actions.back().text, "job 7");
    EXPECT_EQ(shards.letters.at(1).actions.back().by, "ann");
}

TEST_F(RedriveJobTest, LettersOfAKeyGoByOffsetOneAfterAnother) {
    shards.open_letter(1, "k", Offset{30});
    shards.open_letter(2, "k", Offset{10});
    shards.open_letter(3, "other", Offset{5});
    shards.open_letter(4, "k", Offset{20});
    shards.settles_at_once = false;
    control.stops_after_waits = 3;
    EXPECT_EQ(run_redrive(job, shards, control).state, JobState::running);
    EXPECT_THAT(shards.redriven_ids, ElementsAre(2, 3)) << "the others wait behind their key";
    shards.settle_letter(2, LetterState::resolved);

    FakeControl next;
    next.stops_after_waits = 3;
    job.progress = progress();
    EXPECT_EQ(run_redrive(job, shards, next).state, JobState::running);
    EXPECT_THAT(shards.redriven_ids, ElementsAre(2, 3, 4));
    shards.settle_letter(4, LetterState::open);  // it failed, and the key goes on

    FakeControl last;
    last.stops_after_waits = 3;
    job.progress = next.committed.back();
    EXPECT_EQ(run_redrive(job, shards, last).state, JobState::running);
    EXPECT_THAT(shards.redriven_ids, ElementsAre(2, 3, 4, 1));
}

TEST_F(RedriveJobTest, SettledLettersThatAreNotKeptAnyMoreCountAfterARestart) {
    open(5);
    job.redrive.limit = 3;
    job.progress.total = 3;
    job.progress.sent = job.progress.settled = 2;
    const auto end = run_redrive(job, shards, control);
    EXPECT_EQ(end.state, JobState::done) << end.reason;
    EXPECT_THAT(shards.redriven_ids, ElementsAre(1));
    EXPECT_EQ(progress().settled, 3U);
    EXPECT_EQ(progress().sent, 3U);
}

TEST_F(RedriveJobTest, AFailedCanaryEndsTheJobAndTheRestStays) {
    open(20);
    shards.failing_keys = {"k1", "k2"};
    job.redrive.canary = 5;
    const auto end = run_redrive(job, shards, control);
    EXPECT_EQ(end.state, JobState::failed);
    EXPECT_THAT(end.reason, HasSubstr("canary: 2 of 5 letters failed again"));
    EXPECT_THAT(end.reason, HasSubstr("no product"));
    EXPECT_THAT(shards.redriven_ids, ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(RedriveJobTest, AGoodCanaryIsFollowedByTheRest) {
    open(20);
    shards.failing_keys = {"k1"};
    job.redrive.canary = 5;
    EXPECT_EQ(run_redrive(job, shards, control).state, JobState::done);
    EXPECT_EQ(shards.redriven_ids.size(), 20U);
}

TEST_F(RedriveJobTest, TheCanaryIsWaitedFor) {
    open(20);
    shards.settles_at_once = false;
    job.redrive.canary = 5;
    control.stops_after_waits = 10;
    EXPECT_EQ(run_redrive(job, shards, control).state, JobState::running);
    EXPECT_EQ(shards.redriven_ids.size(), 5U);
}

TEST_F(RedriveJobTest, AboveTheFailureShareItPausesAndSaysWhy) {
    open(200);
    for (int key = 1; key <= 200; key += 3) {
        shards.failing_keys.insert("k" + std::to_string(key));
    }
    job.redrive.failure_share_max = 0.25;
    const auto end = run_redrive(job, shards, control);
    EXPECT_EQ(end.state, JobState::paused);
    EXPECT_THAT(end.reason, HasSubstr("letters failed again, above the share of 0.25"));
    EXPECT_LT(shards.redriven_ids.size(), 200U);

    FakeControl resumed;
    job.progress = progress();
    job.redrive.failure_share_max = 0.5;
    EXPECT_EQ(run_redrive(job, shards, resumed).state, JobState::done);
    EXPECT_EQ(shards.redriven_ids.size(), 200U) << "each once: what failed is not sent again";
    EXPECT_EQ(resumed.committed.back().failed, 67U);
    EXPECT_EQ(resumed.committed.back().settled, 133U);
}

TEST_F(RedriveJobTest, TheRateIsKept) {
    open(30);
    job.redrive.records_per_second = 10;
    const auto begin = control.manual.steady_now();
    EXPECT_EQ(run_redrive(job, shards, control).state, JobState::done);
    EXPECT_GE(control.manual.steady_now() - begin, std::chrono::milliseconds(2'800));
}

TEST_F(RedriveJobTest, AfterALostCommitNothingGoesOutTwice) {
    open(100);
    control.stops_after_commits = 1;
    (void)run_redrive(job, shards, control);
    FakeControl next;
    job.progress = control.committed.front();  // of before the first went out
    EXPECT_EQ(job.progress.sent, 0U);
    EXPECT_EQ(run_redrive(job, shards, next).state, JobState::done);
    EXPECT_EQ(shards.redriven_ids.size(), 100U);
    EXPECT_EQ(next.committed.back().settled, 100U);
}

TEST_F(RedriveJobTest, AProgramChoosesAndAProgramMends) {
    open(3);
    job.redrive.query.where = ".key != \"k2\"";
    job.redrive.transform = ".value.n = 2";
    EXPECT_EQ(run_redrive(job, shards, control).state, JobState::done);
    EXPECT_THAT(shards.redriven_ids, ElementsAre(1, 3));
    const auto record = wire::parse_plain_record(shards.letters.at(3).edited);
    ASSERT_TRUE(record.has_value());
    EXPECT_EQ(record.value().value, "{\"n\":2}");
}

TEST_F(RedriveJobTest, ALetterOnWhichTheTransformFailsStaysOpenAndCounts) {
    open(2);
    job.redrive.transform = "if .key == \"k1\" then error(\"no\") else . end";
    EXPECT_EQ(run_redrive(job, shards, control).state, JobState::done);
    EXPECT_THAT(shards.redriven_ids, ElementsAre(2));
    EXPECT_EQ(shards.letters.at(1).state, LetterState::open);
    EXPECT_EQ(progress().errors, 1U);
    EXPECT_THAT(progress().last_error, HasSubstr("letter 1: no"));
    EXPECT_EQ(progress().skipped, 1U);
}

TEST_F(RedriveJobTest, LettersOpenedAfterTheJobBeganAndBeyondItsLimitStay) {
    open(4);
    shards.letters.at(2).actions.front().time_us = 1'001;
    job.redrive.limit = 2;
    EXPECT_EQ(run_redrive(job, shards, control).state, JobState::done);
    EXPECT_THAT(shards.redriven_ids, ElementsAre(1, 3));
}

TEST(RedrivePlan, OrderIsByAgeAndOfOneKeyByOffset) {
    std::vector<PlannedLetter> letters{{.id = 3, .key = 9, .offset = Offset{1}},
                                       {.id = 1, .key = 9, .offset = Offset{5}},
                                       {.id = 2, .key = 4, .offset = Offset{7}}};
    put_in_order(letters);
    EXPECT_EQ(letters[0].id, 3U);
    EXPECT_EQ(letters[1].id, 2U);
    EXPECT_EQ(letters[2].id, 1U);
}

}  // namespace
}  // namespace millrace::broker::delivery
