#pragma once

#include <deque>
#include <optional>
#include <string>

#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {

/// Stops deliveries while their target is out, and feels its way back: closed, open, half-open with
/// one probe. Keeps its last changes.
///
/// Threads:  the shard's. Time comes from the caller.
class CircuitBreaker {
  public:
    /// The target is out. Returns how long to wait before the next probe: a second at first, then
    /// twice as long each time, at most `probe_interval_max`, which therefore bounds how long a
    /// target that is back has to wait.
    [[nodiscard]] Duration trip(Cause cause, std::string reason, UnixMicros now);
    /// The wait is over: one probe may go. True when the circuit was open.
    bool allow_probe(UnixMicros now);
    /// The target has answered: it is there. True when the circuit was not closed.
    bool close(UnixMicros now);
    /// As an earlier life has left it: its changes, the newest last. Where it was open it is open
    /// again; returns how long to wait before a probe then.
    [[nodiscard]] std::optional<Duration> resume(const std::deque<CircuitChange>& changes);
    void limit_probe_interval(Duration probe_interval_max) {
        probe_interval_max_ = probe_interval_max;
    }

    [[nodiscard]] Circuit state() const { return state_; }
    /// How many deliveries may be in flight: none when open, one as a probe, else `window`.
    [[nodiscard]] std::size_t in_flight_max(std::size_t window) const;
    /// Empty when closed; else the cause and what the target said.
    [[nodiscard]] const std::string& reason() const { return reason_; }
    /// The newest last, at most `changes_max`: of more the oldest probes go first, so that a long
    /// outage does not hide how it began.
    [[nodiscard]] const std::deque<CircuitChange>& changes() const { return changes_; }

    static constexpr std::size_t changes_max = circuit_changes_max;

  private:
    void change(Circuit to, std::string reason, UnixMicros now);
    void drop_one();

    Circuit state_ = Circuit::closed;
    Duration delay_{0};
    Duration probe_interval_max_{5'000'000};
    Cause cause_ = Cause::none;
    std::string reason_;
    std::deque<CircuitChange> changes_;
};

}  // namespace millrace::broker::delivery
