#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "broker/runtime/runtime.hpp"
#include "broker/runtime/timer_queue.hpp"

namespace millrace::broker {

/// A runtime that stands still until told to move: manual time, the caller's disk, no network. For
/// tests and the simulator.
///
/// Threads:  one. `post_to` any shard runs here.
class ManualRuntime final : public Runtime {
  public:
    ManualRuntime(ManualClock& clock, storage::Disk& disk) : ManualRuntime(clock, disk, clock) {}
    /// `shown` is what the shard takes for the time; its steady time is that of `clock`.
    ManualRuntime(ManualClock& clock, storage::Disk& disk, const Clock& shown)
        : clock_(clock), disk_(disk), shown_(shown) {}

    /// One round of everything; returns how much happened.
    std::size_t turn();
    /// Turns until nothing happens any more.
    void run_until_idle();
    /// Moves the clock in steps from timer to timer, turning at each.
    void advance(Duration by);
    /// When a turn has something to do although nothing comes from the disk.
    [[nodiscard]] std::optional<SteadyTime> next_task() const {
        return posted_.empty() ? timers_.next() : std::optional(clock_.steady_now());
    }

    [[nodiscard]] const Clock& clock() const override { return shown_; }
    [[nodiscard]] storage::Disk& disk() override { return disk_; }
    TimerId run_after(Duration delay, Task task) override {
        return timers_.add(clock_.steady_now() + delay, std::move(task));
    }
    void cancel(TimerId timer) override { timers_.cancel(timer); }
    void post(Task task) override { posted_.push_back(std::move(task)); }
    void at_end_of_turn(Task task) override { end_of_turn_.push_back(std::move(task)); }
    void post_to(ShardId /*shard*/, Task task) override { post(std::move(task)); }
    void post_from_outside(Task task) override { post(std::move(task)); }
    [[nodiscard]] Result<Endpoint> listen(const Endpoint& endpoint, Accept accept) override;
    [[nodiscard]] Result<Endpoint> listen_apart(const Endpoint& endpoint,
                                                std::size_t /*connections_max*/,
                                                Accept accept) override {
        return listen(endpoint, std::move(accept));
    }
    void stop_listening() override { accept_ = nullptr; }
    /// Always in vain.
    void connect(const Endpoint& endpoint, Duration timeout, Connected done) override;

  private:
    ManualClock& clock_;
    storage::Disk& disk_;
    const Clock& shown_;
    TimerQueue timers_;
    std::deque<Task> posted_;
    std::vector<Task> end_of_turn_;
    Accept accept_;
};

}  // namespace millrace::broker
