#include "broker/node_control.hpp"

#include <csignal>
#include <exception>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "storage/base/logging.hpp"

namespace millrace::broker {

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
