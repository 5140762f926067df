#include "tests/simulation/world_jobs.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "broker/catalog/replay_topic.hpp"

namespace millrace::simulation {
namespace {

using broker::delivery::Job;
using broker::delivery::JobKind;
using broker::delivery::JobShards;
using broker::delivery::JobState;
using broker::delivery::Letter;

constexpr std::size_t open_max = 4;

}  // namespace

/// Tells the model which letters a job is about to send.
class WorldJobs::WatchedShards final : public JobShards {
  public:
    WatchedShards(std::unique_ptr<JobShards> shards, World& world)
        : shards_(std::move(shards)), world_(world) {}

    std::uint32_t shard_count() const override { return shards_->shard_count(); }
    Result<broker::CatalogPtr> catalog() override { return shards_->catalog(); }
    Result<void> ensure_topic(broker::TopicSpec spec) override {
        return shards_->ensure_topic(std::move(spec));
    }
    Result<storage::ScanCursor> scan_start(ShardId shard, UnixMicros time_us) override {
        return shards_->scan_start(shard, time_us);
    }
    Result<storage::ScanResult> scan(ShardId shard,
                                     storage::ScanCursor from,
                                     std::size_t bytes_max) override {
        return shards_->scan(shard, from, bytes_max);
    }
    Result<Published> publish(ShardId shard,
                              std::vector<broker::delivery::JobBatch> batches) override {
        return shards_->publish(shard, std::move(batches));
    }
    Result<broker::delivery::LetterPage> find_letters(
        ShardId shard, const broker::delivery::LetterQuery& query) override {
        auto page = shards_->find_letters(shard, query);
        if (page) {
            for (const auto& letter : page.value().letters) {
                places_[letter.id] = {.partition = letter.partition, .offset = letter.offset};
            }
        }
        return page;
    }
    Result<std::vector<Letter>> load_letters(ShardId shard, LetterIds wanted) override {
        return shards_->load_letters(shard, std::move(wanted));
    }
    Result<void> redrive(ShardId shard,
                         const broker::delivery::LetterSelection& selection,
                         std::vector<broker::delivery::LetterRedrive> letters) override {
        for (const auto& letter : letters) {
            const auto place = places_.at(letter.id);
            world_.tell("  " + selection.reason + " sends " +
                        std::to_string(place.partition.value) + "@" +
                        std::to_string(place.offset.value));
            world_.model.ask_redrive(place, letter.edited);
        }
        return shards_->redrive(shard, selection, std::move(letters));
    }
    Result<Job> load_job(std::uint64_t job) override { return shards_->load_job(job); }
    Result<void> commit(std::uint64_t job, const broker::delivery::JobProgress& progress) override {
        return shards_->commit(job, progress);
    }
    Result<void> change(std::uint64_t job, const broker::delivery::JobChange& change) override {
        world_.tell("  job " + std::to_string(job) + " is " +
                    std::string(broker::delivery::name_of(change.state)) + " " + change.reason);
        return shards_->change(job, change);
    }

  private:
    std::unique_ptr<JobShards> shards_;
    World& world_;
    std::map<std::uint64_t, RecordId> places_;
};

WorldJobs::WorldJobs(World world)
    : world_(std::move(world)), seen_(world_.sources.size()), first_(world_.sources.size()) {}

WorldJobs::~WorldJobs() {
    lose_power();
}

void WorldJobs::start(broker::delivery::DeliveryShard& delivery) {
    delivery_ = &delivery;
    auto& fixture = world_.fixture;
    threads_ = std::make_unique<LockstepThreads>(*fixture.runtime);
    auto own = broker::delivery::make_job_shards(
        {{.runtime = fixture.runtime.get(), .shard = fixture.shard.get(), .delivery = &delivery}},
        [threads = threads_.get()](const auto& is_there) {
            return threads->wait_for_answer(is_there);
        });
    shards_ = std::make_unique<WatchedShards>(std::move(own), world_);
    runner_ = std::make_unique<broker::delivery::JobRunner>(broker::delivery::JobRunner::Options{},
                                                            *shards_,
                                                            *threads_,
                                                            fixture.clock,
                                                            *fixture.metrics);
    delivery.jobs().watch([this](const Job& job) {
        if (runner_) {
            runner_->see(job);
        }
    });
    fixture.runtime->run_until_idle();
}

void WorldJobs::stop() {
    if (runner_) {
        runner_->stop();
        runner_.reset();
        shards_.reset();
    }
}

void WorldJobs::lose_power() {
    if (threads_) {
        threads_->lose_power();
        stop();
    }
}

std::size_t WorldJobs::open_count() const {
    const auto all = delivery_->jobs().list();
    return static_cast<std::size_t>(
        std::ranges::count_if(all, [](const Job& job) { return is_open(job.state); }));
}

bool WorldJobs::has_open() const {
    return open_count() > 0;
}

Job WorldJobs::create(Job job) {
    Job created;
    job.by = "test";
    delivery_->jobs().create(job, [&created](const Result<Job>& done) {
        ASSERT_TRUE(done) << done.error().text;
        created = done.value();
    });
    // The model learns of it before its first step.
    for (int turns = 0; created.id == 0 && turns < 100; ++turns) {
        world_.fixture.runtime->turn();
    }
    return created;
}

void WorldJobs::redrive() {
    if (open_count() >= open_max) {
        return;
    }
    // A letter of this very moment would count as one that came later.
    world_.fixture.runtime->advance(Duration{1});
    world_.model.pass(world_.fixture.clock.steady_now());
    const auto before = letters();
    auto& random = world_.random;
    Job job{.kind = JobKind::redrive, .replay = {}, .redrive = {.query = {}}, .progress = {}};
    job.redrive.query.subscription = subscription;
    if (random.chance(0.3)) {
        job.redrive.query.cause = Cause::mapping;
    }
    job.redrive.records_per_second = random.chance(0.5) ? 0 : 5;
    job.redrive.canary = random.chance(0.3) ? 2 : 0;
    job.redrive.failure_share_max = random.chance(0.5) ? 1 : 0.2;
    if (random.chance(0.3)) {
        job.redrive.transform = ".headers.mended = \"yes\"";
    }
    const auto created = create(job);
    world_.tell("  job " + std::to_string(created.id));
    jobs_model_.begin_redrive(created, before);
    world_.fixture.runtime->run_until_idle();
}

void WorldJobs::replay() {
    if (open_count() >= open_max) {
        return;
    }
    auto& random = world_.random;
    const auto now = world_.fixture.clock.unix_now();
    Job job{.kind = JobKind::replay, .replay = {}, .redrive = {.query = {}}, .progress = {}};
    auto& spec = job.replay;
    spec.topics = {"a.*"};
    spec.from_us = random.chance(0.5) ? 0 : now - static_cast<UnixMicros>(random.below(30'000'000));
    spec.to_us = spec.from_us + 1 +
                 (random.chance(0.5) ? std::numeric_limits<UnixMicros>::max() / 2
                                     : static_cast<UnixMicros>(random.below(20'000'000)));
    spec.key = random.chance(0.2) ? "K1" : "";
    spec.where = random.chance(0.2) ? ".value % 3 == 0" : "";
    const auto speed = random.below(4);
    spec.records_per_second = speed == 0 ? 10 : 0;
    spec.time_scale = speed == 1 ? 10 : 0;
    if (random.chance(0.6)) {
        spec.to_subscription = subscription;
    } else {
        spec.to_topic = copy_topic;
    }
    const auto created = create(job);
    world_.tell("  job " + std::to_string(created.id) + " to " + spec.to_subscription +
                spec.to_topic);
    world_.fixture.runtime->run_until_idle();
}

void WorldJobs::change(std::uint64_t job, JobState state) {
    world_.tell("  job " + std::to_string(job) + " " +
                std::string(broker::delivery::name_of(state)));
    delivery_->jobs().change(
        job,
        {.state = state, .reason = "test", .by = "test", .time_us = 0},
        [](const Result<Job>& done) { ASSERT_TRUE(done) << done.error().text; });
    world_.fixture.runtime->run_until_idle();
}

void WorldJobs::change_one() {
    auto jobs = delivery_->jobs().list();
    std::erase_if(jobs, [](const Job& job) { return !is_open(job.state); });
    if (jobs.empty()) {
        return;
    }
    const auto& job = jobs[world_.random.below(jobs.size())];
    const auto other = job.state == JobState::running ? JobState::paused : JobState::running;
    change(job.id, world_.random.chance(0.8) ? other : JobState::cancelled);
}

void WorldJobs::resume_all() {
    for (const auto& job : delivery_->jobs().list()) {
        if (job.state == JobState::paused) {
            change(job.id, JobState::running);
        }
    }
}

std::vector<Letter> WorldJobs::letters() const {
    return all_letters(*delivery_, subscription);
}

void WorldJobs::check_letters(const std::vector<Letter>& letters) {
    jobs_model_.check_redrives(letters);
}

void WorldJobs::note_sources() {
    for (std::size_t i = 0; i < world_.sources.size(); ++i) {
        for (auto& record : read_log(world_.fixture, world_.sources[i])) {
            const auto offset = record.offset;
            seen_[i].insert_or_assign(offset, std::move(record));
        }
        const auto limits = world_.fixture.shard->bounds(world_.sources[i]);
        first_[i] = std::max(first_[i], limits ? limits->first : Offset{0});
    }
}

void WorldJobs::check_over() {
    note_sources();
    const auto now = letters();
    JobModel::Logs logs{.sources = {}, .first = first_, .targets = {}};
    for (const auto& seen : seen_) {
        auto& log = logs.sources.emplace_back();
        for (const auto& [offset, record] : seen) {
            log.push_back(record);
        }
    }
    const auto take = [this](const std::vector<PartitionId>& partitions, auto& into) {
        for (const auto partition : partitions) {
            into.push_back(read_log(world_.fixture, partition));
        }
    };
    take(partitions_of(world_.fixture, copy_topic), logs.targets);
    take(partitions_of(world_.fixture, broker::replay_topic_of(subscription)), logs.targets);
    for (const auto& job : delivery_->jobs().list()) {
        EXPECT_FALSE(is_open(job.state)) << "job " << job.id << " is never over";
        if (job.kind == JobKind::redrive) {
            jobs_model_.check_redriven(job, now);
            continue;
        }
        EXPECT_NE(job.state, JobState::failed) << "job " << job.id << ": " << job.reason;
        jobs_model_.check_replayed(job, logs);
    }
}

std::vector<Letter> all_letters(broker::delivery::DeliveryShard& delivery,
                                const std::string& subscription) {
    std::vector<Letter> all;
    broker::delivery::LetterQuery query{.subscription = subscription, .limit = 100'000};
    for (bool is_end = false; !is_end;) {
        auto page = delivery.letters().find(query);
        EXPECT_TRUE(page) << page.error().text;
        std::ranges::move(page.value().letters, std::back_inserter(all));
        query.after_id = page.value().examined_upto;
        is_end = page.value().is_end;
    }
    return all;
}

}  // namespace millrace::simulation
