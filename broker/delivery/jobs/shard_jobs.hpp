#pragma once

#include "broker/delivery/jobs/job_store.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

/// Jobs as a shard has them: checked, brought through the log, told to whoever watches.
///
/// Threads:  the shard's.
class ShardJobs final : public Jobs {
  public:
    explicit ShardJobs(Shard& shard) : shard_(shard) {}

    // For the command handler.
    [[nodiscard]] Result<void> restore(storage::ShardStore& store);
    void apply(const JobCommand& command);

    std::vector<Job> list() const override;
    Result<Job> show(std::uint64_t id) const override;
    void create(Job job, JobDone done) override;
    void change(std::uint64_t id, JobChange change, JobDone done) override;
    void commit(std::uint64_t id,
                JobProgress progress,
                std::function<void(Result<void>)> done) override;
    void watch(std::function<void(const Job& job)> listener) override;

  private:
    [[nodiscard]] Result<void> check(const Job& job) const;

    Shard& shard_;
    std::optional<JobStore> store_;
    std::function<void(const Job&)> listener_;
};

/// Says what no job could do: a window that is empty, a pattern or program that is none.
[[nodiscard]] Result<void> check_job(const Job& job);

}  // namespace millrace::broker::delivery
