#pragma once

#include <memory>
#include <vector>

#include "broker/delivery/jobs/job_threads.hpp"
#include "broker/runtime/manual_runtime.hpp"

namespace millrace::simulation {

/// Threads of jobs of which one runs at a time, and only at the end of a turn of the runtime: from
/// one wait to its next. So the same seed gives the same order of everything.
///
/// Threads:  that of the runtime, and its own while that one stands still.
class LockstepThreads final : public broker::delivery::JobThreads {
  public:
    /// **Requires** `runtime` to turn no more once this is gone.
    explicit LockstepThreads(broker::ManualRuntime& runtime);
    LockstepThreads(const LockstepThreads&) = delete;
    LockstepThreads& operator=(const LockstepThreads&) = delete;
    LockstepThreads(LockstepThreads&&) = delete;
    LockstepThreads& operator=(LockstepThreads&&) = delete;
    ~LockstepThreads() override;

    void start(std::function<void()> body) override;
    /// The runtime turns until all have returned, unless the power is gone.
    void join() override;
    bool wait(std::unique_lock<std::mutex>& lock,
              std::optional<Duration> time,
              const std::function<bool()>& is_over) override;
    void wake() override {}

    /// For what a shard answers; false when it never will.
    [[nodiscard]] bool wait_for_answer(const std::function<bool()>& is_there);
    /// No shard answers any more.
    void lose_power() { has_power_ = false; }

  private:
    struct Thread;
    /// Lets every thread whose wait is over run; says how many did.
    std::size_t run_ready();
    /// Hands over to the runtime until `is_ready`.
    void stand_still(std::function<bool()> is_ready);

    broker::ManualRuntime& runtime_;
    std::vector<std::unique_ptr<Thread>> threads_;
    bool has_power_ = true;
};

}  // namespace millrace::simulation
