#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/load/histogram.hpp"
#include "bench/load/works/workloads.hpp"

namespace millrace::bench {

/// Microseconds from one moment to another.
[[nodiscard]] std::uint64_t micros_between(std::chrono::steady_clock::time_point begin,
                                           std::chrono::steady_clock::time_point end);

/// Producers in closed loops: as many events of each are under way as `outstanding` says, and each
/// ack sends the next one, on the client's own thread, so that no thread of the generator has to be
/// woken.
class ClosedLoops {
  public:
    /// The topic must be there. Nothing is sent yet.
    ClosedLoops(const std::string& brokers, const PublishLoad& load);
    ClosedLoops(const ClosedLoops&) = delete;
    ClosedLoops& operator=(const ClosedLoops&) = delete;
    ClosedLoops(ClosedLoops&&) = delete;
    ClosedLoops& operator=(ClosedLoops&&) = delete;
    ~ClosedLoops();

    void start();
    /// Latencies count from now on.
    void begin_measuring();
    void end_measuring();
    /// Until as many as `events` of the load says have been acked or have failed.
    void wait_for_events() const;
    /// Sends nothing more and waits for what is under way; the figures of the time measured.
    [[nodiscard]] PublishFigures finish();

  private:
    class Loop;
    struct Phase {
        std::atomic<bool> is_measuring{false};
        std::atomic<bool> is_stopping{false};
    };
    Phase phase_;
    std::chrono::steady_clock::time_point measured_from_;
    std::uint64_t measured_us_ = 0;
    std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace millrace::bench
