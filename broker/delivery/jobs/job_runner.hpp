#pragma once

#include <cstdint>
#include <memory>

#include "broker/delivery/jobs/job_control.hpp"
#include "broker/delivery/jobs/job_shards.hpp"
#include "broker/delivery/jobs/job_threads.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::delivery {

/// Runs the jobs of the node on threads of its own, so that a slow program or a paced replay makes
/// no shard wait.
///
/// Promise:  at most `jobs_running_max` run at a time, the others wait for their turn in the order
/// of their ids. What ran when the node ended runs on after the next start. A job that is paused or
/// cancelled stops within a moment.
/// Threads:  `see` any; the rest the node's.
class JobRunner {
  public:
    struct Options {
        std::size_t jobs_running_max = 2;
        std::uint64_t read_bytes_per_second = std::uint64_t{64} << 20U;
    };
    /// **Requires** all that it is given to outlive it, and `threads` to have nothing else to do.
    JobRunner(Options options,
              JobShards& shards,
              JobThreads& threads,
              const Clock& clock,
              MetricsRegistry& metrics);
    JobRunner(const JobRunner&) = delete;
    JobRunner& operator=(const JobRunner&) = delete;
    JobRunner(JobRunner&&) = delete;
    JobRunner& operator=(JobRunner&&) = delete;
    ~JobRunner();

    /// A job is new or has another state.
    void see(const Job& job);
    /// Stops what runs and waits for it. Before the shards stop.
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker::delivery
