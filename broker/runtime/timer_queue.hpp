#pragma once

#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "broker/runtime/runtime.hpp"
#include "storage/base/clock.hpp"

namespace millrace::broker {

/// Tasks by time; those of one moment in order of asking.
class TimerQueue {
  public:
    TimerId add(SteadyTime at, Task task);
    void cancel(TimerId timer);
    /// Runs what is due; what a task adds waits for the next call. Returns how many ran.
    std::size_t run_due(SteadyTime now);
    [[nodiscard]] std::optional<SteadyTime> next() const;
    [[nodiscard]] std::size_t size() const { return by_time_.size(); }

  private:
    std::map<std::pair<SteadyTime, TimerId>, Task> by_time_;
    std::unordered_map<TimerId, SteadyTime> time_of_;
    TimerId last_ = 0;
};

}  // namespace millrace::broker
