#pragma once

#include <string>

#include "broker/odoo/answers/fault.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::odoo {

/// What the source counts; docs/odoo-source.md lists it. Labels are bounded by the source file.
class SourceMetrics {
  public:
    SourceMetrics(MetricsRegistry& registry, const Clock& clock);

    /// A hint is settled.
    void count_hint(const std::string& model, const char* outcome);
    /// A record that was read back became an event, or not.
    void count_event(const std::string& model, const char* outcome);
    void count_found_by_sweep(const std::string& model);
    void count_swept(const std::string& model, std::size_t rows);
    void count_fault(const std::string& model, Cause cause);
    [[nodiscard]] Gauge& sweep_lag_seconds(const std::string& model);
    [[nodiscard]] Gauge& sweep_stopped(const std::string& model);

    Gauge& held;

  private:
    MetricsRegistry& registry_;
    const Clock& clock_;
};

}  // namespace millrace::broker::odoo
