#include "broker/delivery/jobs/job_runner.hpp"

#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

#include "tests/unit/delivery/jobs/fake_shards.hpp"

namespace millrace::broker::delivery {
namespace {

using testing::FakeShards;

constexpr std::chrono::seconds patience{30};

/// Shards whose jobs are told of; calls come from the runner's threads.
class WatchedShards final : public JobShards {
  public:
    std::uint32_t shard_count() const override { return 1; }
    Result<CatalogPtr> catalog() override {
        const std::lock_guard lock(mutex_);
        return CatalogPtr(std::make_shared<CatalogView>());
    }
    Result<void> ensure_topic(TopicSpec /*spec*/) override { return ok(); }
    Result<storage::ScanCursor> scan_start(ShardId /*shard*/, UnixMicros /*time_us*/) override {
        return storage::ScanCursor{};
    }
    /// An endless log, until it is let go.
    Result<storage::ScanResult> scan(ShardId /*shard*/,
                                     storage::ScanCursor from,
                                     std::size_t /*bytes_max*/) override {
        const std::lock_guard lock(mutex_);
        ++scans_;
        changed_.notify_all();
        return storage::ScanResult{.runs = {}, .next = from, .at_end = may_end_};
    }
    Result<Published> publish(ShardId /*shard*/, std::vector<JobBatch> /*batches*/) override {
        return Published{};
    }
    Result<LetterPage> find_letters(ShardId /*shard*/, const LetterQuery& /*query*/) override {
        return LetterPage{};
    }
    Result<std::vector<Letter>> load_letters(ShardId /*shard*/, LetterIds /*wanted*/) override {
        return std::vector<Letter>{};
    }
    Result<void> redrive(ShardId /*shard*/,
                         const LetterSelection& /*selection*/,
                         std::vector<LetterRedrive> /*redriven*/) override {
        return ok();
    }
    Result<Job> load_job(std::uint64_t job) override {
        const std::lock_guard lock(mutex_);
        started_.push_back(job);
        changed_.notify_all();
        return jobs_.at(job);
    }
    Result<void> commit(std::uint64_t job, const JobProgress& progress) override {
        const std::lock_guard lock(mutex_);
        if (commit_failures_ > 0) {
            --commit_failures_;
            return fail(Errc::limit_reached, "the shard has much to do");
        }
        jobs_[job].progress = progress;
        return ok();
    }
    Result<void> change(std::uint64_t job, const JobChange& change) override {
        const std::lock_guard lock(mutex_);
        jobs_[job].state = change.state;
        changed_.notify_all();
        return ok();
    }

    Job add(std::uint64_t id) {
        const std::lock_guard lock(mutex_);
        Job job{.id = id, .created_us = 100};
        job.replay = {.topics = {"a"}, .to_us = 50, .is_dry_run = true};
        jobs_[id] = job;
        return job;
    }
    void let_go() {
        const std::lock_guard lock(mutex_);
        may_end_ = true;
    }
    bool eventually(const std::function<bool()>& condition) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, patience, condition);
    }
    // With the lock held, in `eventually`.
    std::map<std::uint64_t, Job> jobs_;
    std::vector<std::uint64_t> started_;
    std::size_t scans_ = 0;
    std::size_t commit_failures_ = 0;  ///< of the next commits

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool may_end_ = false;
};

struct JobRunnerTest : ::testing::Test {
    SystemClock clock;
    MetricsRegistry metrics;
    WatchedShards shards;
    // More budget than a test reads.
    JobRunner::Options options{.jobs_running_max = 1, .read_bytes_per_second = 1ULL << 50U};
};

TEST_F(JobRunnerTest, OneThreadRunsJobsInTheOrderOfTheirIds) {
    const auto threads = make_job_threads();
    JobRunner runner(options, shards, *threads, clock, metrics);
    shards.let_go();
    const auto second = shards.add(2);
    runner.see(shards.add(1));
    runner.see(second);
    EXPECT_TRUE(shards.eventually([this] {
        return shards.jobs_[1].state == JobState::done && shards.jobs_[2].state == JobState::done;
    }));
    EXPECT_EQ(shards.started_, (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(JobRunnerTest, ProgressThatIsRefusedForAMomentIsCommittedLaterAndTheJobGoesOn) {
    shards.commit_failures_ = 3;
    const auto threads = make_job_threads();
    JobRunner runner(options, shards, *threads, clock, metrics);
    shards.let_go();
    runner.see(shards.add(1));
    EXPECT_TRUE(shards.eventually([this] { return shards.jobs_[1].state != JobState::running; }));
    EXPECT_EQ(shards.jobs_[1].state, JobState::done);
    EXPECT_EQ(shards.commit_failures_, 0U);
    EXPECT_GT(shards.jobs_[1].progress.errors, 0U);
}

TEST_F(JobRunnerTest, APausedJobMakesRoomAndGoesOnWhenResumed) {
    const auto threads = make_job_threads();
    JobRunner runner(options, shards, *threads, clock, metrics);
    auto first = shards.add(1);
    runner.see(first);
    ASSERT_TRUE(shards.eventually([this] { return shards.scans_ > 0; }));
    runner.see(shards.add(2));  // waits: one runs at a time
    first.state = JobState::paused;
    runner.see(first);
    ASSERT_TRUE(shards.eventually([this] { return shards.started_.size() == 2; }));
    EXPECT_EQ(shards.started_.back(), 2U);
    first.state = JobState::running;
    runner.see(first);
    shards.let_go();
    EXPECT_TRUE(shards.eventually([this] {
        return shards.jobs_[1].state == JobState::done && shards.jobs_[2].state == JobState::done;
    }));
    EXPECT_EQ(shards.started_, (std::vector<std::uint64_t>{1, 2, 1}));
}

TEST_F(JobRunnerTest, StopEndsWhatRunsAndLeavesItsStateForTheNextStart) {
    const auto threads = make_job_threads();
    JobRunner runner(options, shards, *threads, clock, metrics);
    runner.see(shards.add(1));
    ASSERT_TRUE(shards.eventually([this] { return shards.scans_ > 0; }));
    runner.stop();
    EXPECT_EQ(shards.jobs_[1].state, JobState::running);
}

TEST_F(JobRunnerTest, ReadsStayWithinTheBudget) {
    options.read_bytes_per_second = 64ULL << 20U;  // a page in 31 ms
    const auto threads = make_job_threads();
    JobRunner runner(options, shards, *threads, clock, metrics);
    const auto begin = clock.steady_now();
    runner.see(shards.add(1));
    ASSERT_TRUE(shards.eventually([this] { return shards.scans_ >= 3; }));
    EXPECT_GE(clock.steady_now() - begin, std::chrono::milliseconds(60));
}

}  // namespace
}  // namespace millrace::broker::delivery
