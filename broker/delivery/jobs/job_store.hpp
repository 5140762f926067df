#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "broker/delivery/jobs/jobs.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker::delivery {

/// Jobs in the state of shard 0.
///
/// Rows:     `j/<id>`, a command that creates the job as it stands now.
/// Promise:  changes in `apply` only; of the jobs that are over the newest `jobs_kept_max` stay.
/// Threads:  shard 0's.
class JobStore {
  public:
    explicit JobStore(storage::ShardStore& store) : store_(store) {}

    [[nodiscard]] Result<void> restore();
    struct Applied {
        std::optional<Job> job;  ///< as it is now; none where the command meant nothing
        bool has_new_state = false;
    };
    Applied apply(const JobCommand& command);

    [[nodiscard]] const std::map<std::uint64_t, Job>& jobs() const { return jobs_; }
    [[nodiscard]] const Job* find(std::uint64_t id) const;
    [[nodiscard]] std::size_t open_count() const;
    /// An id that was never given before.
    [[nodiscard]] std::uint64_t take_id() { return ++last_id_; }

    static constexpr std::size_t jobs_open_max = 100;
    static constexpr std::size_t jobs_kept_max = 1'000;

  private:
    void put(const Job& job);
    void drop_oldest();

    storage::ShardStore& store_;
    std::map<std::uint64_t, Job> jobs_;
    std::uint64_t last_id_ = 0;
};

}  // namespace millrace::broker::delivery
