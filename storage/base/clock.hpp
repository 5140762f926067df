#pragma once

#include <chrono>
#include <cstdint>

namespace millrace {

using Duration = std::chrono::microseconds;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// Microseconds since 1970-01-01 UTC: the form of every time on disk and on the wire.
using UnixMicros = std::int64_t;

/// Where the broker learns the time, so that tests and the simulator can decide it.
class Clock {
  public:
    Clock() = default;
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;
    Clock(Clock&&) = delete;
    Clock& operator=(Clock&&) = delete;
    virtual ~Clock() = default;

    /// Never goes back; for timeouts and latencies.
    [[nodiscard]] virtual SteadyTime steady_now() const noexcept = 0;
    /// Wall clock; may jump. For append times and retention.
    [[nodiscard]] virtual UnixMicros unix_now() const noexcept = 0;
};

/// The machine's clocks. Threads: any.
class SystemClock final : public Clock {
  public:
    [[nodiscard]] SteadyTime steady_now() const noexcept override {
        return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
    }
    [[nodiscard]] UnixMicros unix_now() const noexcept override {
        return std::chrono::duration_cast<Duration>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    }
};

/// Stands still until told to move. Threads: one.
class ManualClock final : public Clock {
  public:
    explicit ManualClock(UnixMicros start = 1'700'000'000'000'000) : unix_(start) {}

    [[nodiscard]] SteadyTime steady_now() const noexcept override { return steady_; }
    [[nodiscard]] UnixMicros unix_now() const noexcept override { return unix_; }

    void advance(Duration by) {
        steady_ += by;
        unix_ += by.count();
    }

  private:
    SteadyTime steady_{};
    UnixMicros unix_;
};

}  // namespace millrace
