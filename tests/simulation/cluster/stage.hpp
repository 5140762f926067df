#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "broker/runtime/timer_queue.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/random.hpp"

namespace millrace::simulation::cluster {

/// What everything in a simulated cluster shares: time, what is to happen when, chance, and what is
/// told of it.
class Stage {
  public:
    explicit Stage(std::uint64_t seed) : random_(seed) {}

    [[nodiscard]] SteadyTime now() const { return clock_.steady_now(); }
    [[nodiscard]] const Clock& clock() const { return clock_; }
    void after(Duration delay, broker::Task task) {
        (void)events_.add(now() + delay, std::move(task));
    }
    /// When something is to happen.
    [[nodiscard]] std::optional<SteadyTime> next() const { return events_.next(); }
    /// Time passes, and what is due then happens.
    void go_to(SteadyTime time) {
        clock_.advance(std::max(time - now(), Duration(0)));
        (void)events_.run_due(now());
    }

    [[nodiscard]] Random& random() { return random_; }
    [[nodiscard]] bool chance(double probability) { return random_.chance(probability); }
    [[nodiscard]] std::uint64_t below(std::uint64_t end) { return random_.below(end); }
    [[nodiscard]] Duration between(Duration min, Duration max) {
        const auto range = static_cast<std::uint64_t>((max - min).count());
        return min + Duration(static_cast<Duration::rep>(random_.below(range + 1)));
    }

    void tell(const std::string& what);
    /// Every line is printed at once, for a process that does not live to the report.
    void tell_at_once() { is_loud_ = true; }
    /// A promise that was broken; the run ends.
    void violate(const std::string& what);
    [[nodiscard]] const std::deque<std::string>& story() const { return story_; }
    [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

  private:
    ManualClock clock_;
    broker::TimerQueue events_;
    Random random_;
    std::deque<std::string> story_;  ///< its end
    std::vector<std::string> violations_;
    bool is_loud_ = false;
};

}  // namespace millrace::simulation::cluster
