#include "broker/odoo/source/source_metrics.hpp"

namespace millrace::broker::odoo {

SourceMetrics::SourceMetrics(MetricsRegistry& registry, const Clock& clock)
    : held(registry.gauge("millrace_odoo_source_hints_held",
                          "Hints delivered to the source and not settled")),
      registry_(registry),
      clock_(clock) {}

void SourceMetrics::count_hint(const std::string& model, const char* outcome) {
    registry_
        .counter("millrace_odoo_source_hints_total",
                 "Hints that were settled, by what became of them",
                 {{"model", model}, {"outcome", outcome}})
        .add();
}

void SourceMetrics::count_event(const std::string& model, const char* outcome) {
    registry_
        .counter("millrace_odoo_source_events_total",
                 "Records that were read back, by what became of them",
                 {{"model", model}, {"outcome", outcome}})
        .add();
}

void SourceMetrics::count_found_by_sweep(const std::string& model) {
    registry_
        .counter("millrace_odoo_source_found_by_sweep_total",
                 "Events that only the sweep has found",
                 {{"model", model}})
        .add();
}

void SourceMetrics::count_swept(const std::string& model, std::size_t rows) {
    registry_
        .counter("millrace_odoo_source_swept_rows_total",
                 "Records that sweeps have looked at",
                 {{"model", model}})
        .add(rows);
}

void SourceMetrics::count_fault(const std::string& model, Cause cause) {
    registry_
        .counter("millrace_odoo_source_faults_total",
                 "Reads and sweeps that failed",
                 {{"model", model}, {"cause", std::string(name_of(cause))}})
        .add();
    registry_
        .gauge("millrace_odoo_source_last_fault_seconds",
               "When a read or sweep failed last, seconds since 1970",
               {{"model", model}, {"cause", std::string(name_of(cause))}})
        .set(clock_.unix_now() / 1'000'000);
}

Gauge& SourceMetrics::sweep_lag_seconds(const std::string& model) {
    return registry_.gauge("millrace_odoo_source_sweep_lag_seconds",
                           "Since the last sweep that came to its end began",
                           {{"model", model}});
}

Gauge& SourceMetrics::sweep_stopped(const std::string& model) {
    return registry_.gauge("millrace_odoo_source_sweep_stopped",
                           "1: Odoo refuses what the sweep asks, see the log",
                           {{"model", model}});
}

}  // namespace millrace::broker::odoo
