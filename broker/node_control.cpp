#include "broker/node_control.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "storage/base/logging.hpp"

namespace millrace::broker {
namespace {

void end_at_once(const boost::system::error_code& error, int /*signal*/) {
    if (!error) {
        std::_Exit(1);
    }
}

constexpr std::array<std::string_view, 4> counters_kept{
    "millrace_shard_leader_acks_unconfirmed_total",
    "millrace_storage_repair_failures_total",
    "millrace_storage_repaired_frames_total",
    "millrace_storage_repaired_segments_total"};

}  // namespace

std::vector<MetricSample> kept_counters(const MetricsRegistry& metrics) {
    auto kept = metrics.samples();
    std::erase_if(kept, [](const MetricSample& sample) {
        return std::ranges::find(counters_kept, sample.name) == counters_kept.end();
    });
    return kept;
}

void run_control(boost::asio::io_context& control, MetricsRegistry& metrics) {
    auto& exceptions =
        metrics.counter("millrace_control_exceptions_total",
                        "Handlers of the control thread that ended by an exception.");
    while (!control.stopped()) {
        // The daemon must not end, and come up again to the same end, because a library threw.
        try {
            control.run();
        } catch (const std::exception& error) {
            exceptions.add();
            log_error("control", std::string("a handler ended by an exception: ") + error.what());
        }
    }
}

void hear_stop(boost::asio::signal_set& signals, std::function<void()> stop) {
    signals.async_wait(
        [&signals, stop = std::move(stop)](const boost::system::error_code& error, int) {
            if (!error) {
                log_info("node", "stopping; a second signal ends at once");
                signals.async_wait(end_at_once);
                stop();
            }
        });
}

struct StopSignals::Impl {
    boost::asio::io_context context{1};
    boost::asio::signal_set signals{context, SIGTERM, SIGINT};
    bool has_come = false;
};

StopSignals::StopSignals() : impl_(std::make_unique<Impl>()) {
    impl_->signals.async_wait([impl = impl_.get()](const boost::system::error_code& error, int) {
        impl->has_come = !error;
    });
}

StopSignals::~StopSignals() = default;

bool StopSignals::wait(std::chrono::milliseconds time_max) {
    if (!impl_->has_come) {
        impl_->context.run_for(time_max);
    }
    return impl_->has_come;
}

}  // namespace millrace::broker
