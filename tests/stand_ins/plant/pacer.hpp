#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tests/stand_ins/plant/event.hpp"

#include "storage/base/clock.hpp"

namespace millrace::plant {

/// How many times faster than the events were; infinite for at once.
struct Speed {
    double factor = 1;
};
/// "original", "max", "60x", "0.5x".
[[nodiscard]] std::optional<Speed> parse_speed(std::string_view text);

/// Says when an event is due. The first one is due at once; what comes late does not delay what
/// follows.
class Pacer {
  public:
    /// By number. **Requires** a rate above 0.
    [[nodiscard]] static Pacer of_rate(double events_per_second);
    /// By the events' own times.
    [[nodiscard]] static Pacer of_speed(Speed speed);

    /// Nothing: now. Call it once for each event, in their order.
    [[nodiscard]] std::optional<SteadyTime> due_of(const Event& event, const Clock& clock);

  private:
    std::optional<double> events_per_second_;
    std::optional<Speed> speed_;
    SteadyTime begin_{};
    UnixMicros first_time_us_ = 0;
    std::uint64_t count_ = 0;
};

}  // namespace millrace::plant
