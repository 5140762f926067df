#include "broker/delivery/jobs/shard_jobs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/delivery/commands.hpp"
#include "broker/delivery/delivery_shard.hpp"

namespace millrace::broker::delivery {
namespace {

using ::testing::HasSubstr;

Job replay_to(const std::string& topic) {
    Job job{.by = "ann"};
    job.replay = {.topics = {"a.>"}, .from_us = 1, .to_us = 2, .to_topic = topic};
    return job;
}

/// A shard with its jobs over a simulated disk.
struct ShardJobsTest : ::testing::Test {
    ShardJobsTest() {
        fixture.make_topic("copy");
        fixture.make_topic("a.b");
    }
    ~ShardJobsTest() override { delivery.reset(); }
    ShardJobsTest(const ShardJobsTest&) = delete;
    ShardJobsTest& operator=(const ShardJobsTest&) = delete;
    ShardJobsTest(ShardJobsTest&&) = delete;
    ShardJobsTest& operator=(ShardJobsTest&&) = delete;

    Jobs& jobs() const { return delivery->jobs(); }
    Result<Job> create(Job job) const {
        auto answer = std::make_shared<Result<Job>>(fail(Errc::timed_out, "no answer"));
        jobs().create(std::move(job), [answer](Result<Job> made) { *answer = std::move(made); });
        fixture.runtime->run_until_idle();
        return *answer;
    }
    Result<Job> change(std::uint64_t id, JobState state) const {
        auto answer = std::make_shared<Result<Job>>(fail(Errc::timed_out, "no answer"));
        jobs().change(id,
                      {.state = state, .reason = "why", .by = "bob", .time_us = 0},
                      [answer](Result<Job> made) { *answer = std::move(made); });
        fixture.runtime->run_until_idle();
        return *answer;
    }
    void restart() {
        delivery.reset();
        fixture.crash();
        fixture.open();
    }

    DeliveryTable table;
    std::unique_ptr<DeliveryShard> delivery;
    broker::testing::ShardFixture fixture{1, [this](Shard& shard) {
                                              delivery.reset();
                                              delivery = make_delivery_shard(shard, table);
                                              table.shards = {delivery.get()};
                                          }};
};

TEST_F(ShardJobsTest, AJobWithItsProgressSurvivesACrash) {
    const auto job = create(replay_to("copy"));
    ASSERT_TRUE(job.has_value()) << job.error().text;
    JobProgress progress{.matched = 5, .sent = 4, .last_error = "x"};
    progress.cursors = {{.segment = 3, .position = 8, .has_last = true, .last_offset = 9}};
    jobs().commit(job.value().id, progress, [](const Result<void>&) {});
    fixture.runtime->run_until_idle();
    ASSERT_TRUE(change(job.value().id, JobState::paused).has_value());
    restart();
    const auto found = jobs().show(job.value().id);
    ASSERT_TRUE(found.has_value()) << found.error().text;
    EXPECT_EQ(found.value().state, JobState::paused);
    EXPECT_EQ(found.value().reason, "why");
    EXPECT_EQ(found.value().changed_by, "bob");
    EXPECT_EQ(found.value().by, "ann");
    EXPECT_EQ(found.value().replay.to_topic, "copy");
    EXPECT_EQ(found.value().progress.sent, 4U);
    ASSERT_EQ(found.value().progress.cursors.size(), 1U);
    EXPECT_EQ(found.value().progress.cursors.front().last_offset, 9U);
    const auto next = create(replay_to("copy"));
    EXPECT_EQ(next.value().id, job.value().id + 1) << "an id is never given twice";
}

TEST_F(ShardJobsTest, StatesChangeOnlyAsTheyMay) {
    const auto id = create(replay_to("copy")).value().id;
    EXPECT_EQ(change(id, JobState::running).error().code, Errc::conflict);
    EXPECT_TRUE(change(id, JobState::paused).has_value());
    EXPECT_EQ(change(id, JobState::done).error().code, Errc::conflict);
    EXPECT_TRUE(change(id, JobState::running).has_value());
    EXPECT_TRUE(change(id, JobState::cancelled).has_value());
    EXPECT_THAT(change(id, JobState::running).error().text, HasSubstr("is cancelled"));
    EXPECT_EQ(change(99, JobState::paused).error().code, Errc::not_found);
}

TEST_F(ShardJobsTest, WhatNoJobCouldDoIsRefused) {
    EXPECT_EQ(create(replay_to("gone")).error().code, Errc::unknown_topic);
    auto job = replay_to("copy");
    job.replay.topics.emplace_back("nobody.>");
    EXPECT_EQ(create(job).error().code, Errc::unknown_topic);
    EXPECT_THAT(create(job).error().text, HasSubstr("no topic matches \"nobody.>\""));
    job = replay_to("copy");
    job.replay.where = ".value |= (";
    EXPECT_THAT(create(job).error().text, HasSubstr("where: "));
    job = replay_to("copy");
    job.replay.topics = {"A b"};
    EXPECT_THAT(create(job).error().text, HasSubstr("\"A b\""));
    job = replay_to("copy");
    job.replay.to_us = 1;
    EXPECT_THAT(create(job).error().text, HasSubstr("window is empty"));
    EXPECT_EQ(create(replay_to("")).error().code, Errc::invalid_argument);
    job = replay_to("copy");
    job.replay.key.assign(std::size_t{64} * 1024, 'k');
    EXPECT_THAT(create(job).error().text, HasSubstr("limit job_bytes_max is 65536"));
    job = replay_to("");
    job.replay.to_subscription = "nobody";
    EXPECT_EQ(create(job).error().code, Errc::unknown_subscription);
    Job redrive{.kind = JobKind::redrive};
    redrive.redrive.query.subscription = "nobody";
    EXPECT_EQ(create(redrive).error().code, Errc::unknown_subscription);
    redrive.redrive.failure_share_max = 1.5;
    EXPECT_THAT(create(redrive).error().text, HasSubstr("from 0 to 1"));
    EXPECT_TRUE(jobs().list().empty());
}

TEST_F(ShardJobsTest, WordsAboutAJobHaveALimit) {
    const auto id = create(replay_to("copy")).value().id;
    std::optional<Error> error;
    jobs().change(id,
                  {.state = JobState::paused, .reason = std::string(std::size_t{64} * 1024, 'r')},
                  [&](const Result<Job>& done) { error = done.error(); });
    ASSERT_TRUE(error);
    EXPECT_THAT(error->text, HasSubstr("limit job_bytes_max is 65536"));
    JobProgress progress;
    progress.last_error = std::string(100'000, 'e');
    jobs().commit(id, progress, [](const Result<void>& done) { EXPECT_TRUE(done); });
    fixture.runtime->run_until_idle();
    EXPECT_EQ(jobs().show(id).value().progress.last_error, std::string(4'096, 'e'));
}

TEST_F(ShardJobsTest, OpenJobsHaveALimitAndOldOnesGo) {
    for (std::size_t i = 0; i < JobStore::jobs_open_max; ++i) {
        ASSERT_TRUE(create(replay_to("copy")).has_value());
    }
    const auto refused = create(replay_to("copy"));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, Errc::limit_reached);
    EXPECT_THAT(refused.error().text, HasSubstr("jobs_open_max"));
    ASSERT_TRUE(change(1, JobState::cancelled).has_value());
    EXPECT_TRUE(create(replay_to("copy")).has_value());
}

TEST_F(ShardJobsTest, AWatcherLearnsOfEveryState) {
    const auto id = create(replay_to("copy")).value().id;
    std::vector<JobState> seen;
    jobs().watch([&seen](const Job& job) { seen.push_back(job.state); });
    jobs().commit(id, {.sent = 1}, [](const Result<void>&) {});
    (void)change(id, JobState::paused);
    (void)change(id, JobState::cancelled);
    EXPECT_EQ(seen, (std::vector{JobState::running, JobState::paused, JobState::cancelled}));
}

TEST_F(ShardJobsTest, OfJobsThatAreOverTheNewestStay) {
    JobStore store(fixture.shard->store());
    for (std::uint64_t id = 1; id <= JobStore::jobs_kept_max + 5; ++id) {
        store.apply({.id = id, .created = replay_to("copy"), .progress = {}, .change = {}});
        store.apply({.id = id,
                     .created = {},
                     .progress = {},
                     .change = JobChange{.state = JobState::cancelled}});
    }
    EXPECT_EQ(store.jobs().size(), JobStore::jobs_kept_max);
    EXPECT_EQ(store.find(5), nullptr);
    EXPECT_NE(store.find(6), nullptr);
    JobStore again(fixture.shard->store());
    ASSERT_TRUE(again.restore().has_value());
    EXPECT_EQ(again.jobs().size(), JobStore::jobs_kept_max);
}

TEST(JobCommands, NumbersWithoutAMeaningAreRefused) {
    const auto bytes = format_command(
        JobCommand{.id = 1,
                   .created = {},
                   .progress = {},
                   .change = JobChange{.state = static_cast<JobState>(9), .reason = {}, .by = {}}});
    EXPECT_EQ(parse_command(bytes).error().code, Errc::malformed);
}

TEST(JobCommands, AllThatIsSetComesBack) {
    Job job{.id = 3, .kind = JobKind::redrive, .state = JobState::failed, .reason = "r"};
    job.redrive.query = {.subscription = "q", .cause = Cause::mapping, .where = "true"};
    job.redrive.canary = 5;
    job.replay.headers = {{"a", "b"}};
    const auto bytes =
        format_command(JobCommand{.id = 3, .created = job, .progress = {}, .change = {}});
    const auto parsed = parse_command(bytes);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().text;
    const auto& command = std::get<JobCommand>(parsed.value());
    ASSERT_TRUE(command.created.has_value());
    EXPECT_EQ(command.created->state, JobState::failed);
    EXPECT_EQ(command.created->redrive.query.cause, Cause::mapping);
    EXPECT_EQ(command.created->redrive.query.where, "true");
    EXPECT_EQ(command.created->redrive.canary, 5U);
    EXPECT_EQ(command.created->replay.headers.size(), 1U);
    EXPECT_EQ(format_command(parsed.value()), bytes);
}

TEST(JobCommands, RedrivesMayBeOfAnyCause) {
    for (std::size_t number = 0; number < cause_count; ++number) {
        Job job{.id = 3, .kind = JobKind::redrive};
        job.redrive.query.cause = static_cast<Cause>(number);
        const auto parsed = parse_command(
            format_command(JobCommand{.id = 3, .created = job, .progress = {}, .change = {}}));
        ASSERT_TRUE(parsed.has_value()) << name_of(static_cast<Cause>(number));
        const auto& made = std::get<JobCommand>(parsed.value()).created;
        EXPECT_EQ(made->redrive.query.cause, job.redrive.query.cause);
    }
}

}  // namespace
}  // namespace millrace::broker::delivery
