#pragma once

#include <algorithm>
#include <string>

#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {

/// Stops deliveries while their target is out, and feels its way back: closed, open, half-open with
/// one probe.
///
/// Threads:  the shard's. Time comes from the caller.
class CircuitBreaker {
  public:
    /// The target is out. Returns how long to wait before the next probe; it doubles from a second
    /// to half a minute.
    [[nodiscard]] Duration trip(std::string reason);
    /// The wait is over: one probe may go.
    void allow_probe();
    /// Something was settled: the target is there. True when the circuit was not closed.
    bool close();

    [[nodiscard]] Circuit state() const { return state_; }
    /// How many deliveries may be in flight: none when open, one as a probe, else `window`.
    [[nodiscard]] std::size_t in_flight_max(std::size_t window) const;
    [[nodiscard]] const std::string& reason() const { return reason_; }

  private:
    Circuit state_ = Circuit::closed;
    Duration delay_{0};
    std::string reason_;
};

}  // namespace millrace::broker::delivery
