#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "storage/base/clock.hpp"

namespace millrace::broker::delivery {

/// How the threads of jobs run and wait. The simulator puts its own in its place, of which one runs
/// at a time.
///
/// Threads:  `start` and `join` the owner's; the rest any.
class JobThreads {
  public:
    JobThreads() = default;
    JobThreads(const JobThreads&) = delete;
    JobThreads& operator=(const JobThreads&) = delete;
    JobThreads(JobThreads&&) = delete;
    JobThreads& operator=(JobThreads&&) = delete;
    virtual ~JobThreads() = default;

    virtual void start(std::function<void()> body) = 0;
    /// Waits until every body has returned.
    virtual void join() = 0;
    /// Waits until `is_over`, at most for `time`, and says whether it is. `lock` is free meanwhile
    /// and held whenever `is_over` is asked.
    virtual bool wait(std::unique_lock<std::mutex>& lock,
                      std::optional<Duration> time,
                      const std::function<bool()>& is_over) = 0;
    /// What others wait for may have changed.
    virtual void wake() = 0;
};

/// Threads of the system, which give way to those of the shards.
[[nodiscard]] std::unique_ptr<JobThreads> make_job_threads();

}  // namespace millrace::broker::delivery
