#pragma once

#include <string>

#include "storage/base/metrics.hpp"

namespace millrace::broker {

/// All metrics in Prometheus' text format. Threads: any.
[[nodiscard]] std::string format_metrics(const MetricsRegistry& registry);

}  // namespace millrace::broker
