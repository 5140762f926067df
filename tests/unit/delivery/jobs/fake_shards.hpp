#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "broker/delivery/jobs/job_control.hpp"
#include "broker/delivery/jobs/job_shards.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::delivery::testing {

/// Shards in memory: their logs are lists of batches, one a page; what is published and redriven
/// is noted.
class FakeShards final : public JobShards {
  public:
    struct Batch {
        PartitionId partition;
        Offset base_offset;
        UnixMicros append_time_us = 0;
        std::vector<wire::RecordView> records;
    };
    struct Sent {
        PartitionId partition;
        std::string key;
        std::string value;
        std::string replay_id;
        std::string origin;
        std::int64_t event_time_us = 0;
    };

    /// A topic whose partition `i` lies on shard `i % shards`; ids count on from `first_id`.
    void add_topic(const std::string& name, std::uint32_t partitions, std::uint32_t first_id);
    void append(ShardId shard, const Batch& batch);
    /// Opens a letter on shard 0.
    void open_letter(std::uint64_t id, const std::string& key, Offset offset);
    void settle_letter(std::uint64_t id, LetterState state);

    std::uint32_t shard_count() const override { return static_cast<std::uint32_t>(logs.size()); }
    Result<CatalogPtr> catalog() override { return CatalogPtr(view); }
    Result<void> ensure_topic(TopicSpec spec) override;
    Result<storage::ScanCursor> scan_start(ShardId shard, UnixMicros time_us) override;
    Result<storage::ScanResult> scan(ShardId shard,
                                     storage::ScanCursor from,
                                     std::size_t bytes_max) override;
    Result<Published> publish(ShardId shard, std::vector<JobBatch> batches) override;
    Result<LetterPage> find_letters(ShardId shard, const LetterQuery& query) override;
    Result<std::vector<Letter>> load_letters(ShardId shard, LetterIds wanted) override;
    Result<void> redrive(ShardId shard,
                         const LetterSelection& selection,
                         std::vector<LetterRedrive> redriven) override;
    Result<Job> load_job(std::uint64_t job) override;
    Result<void> commit(std::uint64_t job, const JobProgress& progress) override;
    Result<void> change(std::uint64_t job, const JobChange& change) override;

    std::shared_ptr<CatalogView> view = std::make_shared<CatalogView>();
    std::vector<std::vector<std::vector<std::byte>>> logs{2};  ///< pages, by shard
    std::vector<Sent> sent;
    std::vector<Error> failures;  ///< of the next publishes
    std::size_t batch_bytes_max = std::size_t{1024} * 1024;
    std::map<std::uint64_t, Letter> letters;
    std::vector<std::uint64_t> redriven_ids;
    std::set<std::string> failing_keys;  ///< their letters fail again at once, others resolve
    bool settles_at_once = true;
    std::map<std::uint64_t, Job> jobs;
};

/// A thread that tests decide about: waiting moves the clock.
class FakeControl final : public JobControl {
  public:
    const Clock& clock() const override { return manual; }
    bool must_stop() const override { return is_stopped; }
    bool wait(Duration time) override {
        manual.advance(time);
        ++waits;
        is_stopped |= stops_after_waits != 0 && waits >= stops_after_waits;
        return !is_stopped;
    }
    bool wait_for_budget(std::size_t bytes) override {
        budget_bytes += bytes;
        return !is_stopped;
    }
    Result<void> commit(JobProgress& progress) override {
        committed.push_back(progress);
        is_stopped |= stops_after_commits != 0 && committed.size() >= stops_after_commits;
        return ok();
    }
    void note(const JobProgress& progress) override { noted.push_back(progress.last_error); }

    ManualClock manual;
    bool is_stopped = false;
    std::size_t stops_after_commits = 0;
    std::size_t stops_after_waits = 0;
    std::size_t waits = 0;
    std::size_t budget_bytes = 0;
    std::vector<JobProgress> committed;
    std::vector<std::string> noted;
};

}  // namespace millrace::broker::delivery::testing
