#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include <boost/asio/signal_set.hpp>

#include "storage/base/metrics.hpp"

namespace millrace::broker {

/// Runs the control thread's loop until it is stopped.
///
/// Failure:  what a handler throws ends that handler alone; it is logged, and counted in
///           millrace_control_exceptions_total, which stands still in a program without mistakes.
void run_control(boost::asio::io_context& control, MetricsRegistry& metrics);

/// Calls `stop` on the control thread when the first of `signals` has come; a second one ends the
/// process at once.
void hear_stop(boost::asio::signal_set& signals, std::function<void()> stop);

/// Of what happens when a node begins anew, or just before: the next one counts on.
[[nodiscard]] std::vector<MetricSample> kept_counters(const MetricsRegistry& metrics);

/// Notices SIGTERM and SIGINT for as long as it lives, also while no node does: without it one that
/// comes between two nodes would end the process at once.
class StopSignals {
  public:
    StopSignals();
    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;
    StopSignals(StopSignals&&) = delete;
    StopSignals& operator=(StopSignals&&) = delete;
    ~StopSignals();

    /// Waits until one comes, at most so long. True when one has come since the beginning.
    [[nodiscard]] bool wait(std::chrono::milliseconds time_max);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker
