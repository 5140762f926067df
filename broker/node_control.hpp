#pragma once

#include "storage/base/metrics.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker {

/// Runs the control thread's loop until it is stopped.
///
/// Failure:  what a handler throws ends that handler alone; it is logged, and counted in
///           millrace_control_exceptions_total, which stands still in a program without mistakes.
void run_control(boost::asio::io_context& control, MetricsRegistry& metrics);

}  // namespace millrace::broker
