#include "broker/node_control.hpp"

#include <exception>

#include <boost/asio/io_context.hpp>

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

}  // namespace millrace::broker
