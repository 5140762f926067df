#pragma once

#include <chrono>

namespace millrace::cli {

/// From here on SIGINT and SIGTERM ask long commands to finish in order; the second one ends at
/// once.
void watch_stop_signals();
[[nodiscard]] bool is_stop_requested();
/// Sleeps until then, or until a stop is asked for.
void wait_until(std::chrono::steady_clock::time_point time);

}  // namespace millrace::cli
