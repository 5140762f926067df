#include "broker/odoo/sink/sink_metrics.hpp"

namespace millrace::broker::odoo {

SinkMetrics::SinkMetrics(MetricsRegistry& registry)
    : rows_written(registry.counter("millrace_odoo_rows_written_total",
                                    "Rows that Odoo created or overwrote")),
      rows_refused(registry.counter("millrace_odoo_rows_refused_total",
                                    "Rows that Odoo refused, each try counted")),
      lookups_hit(registry.counter("millrace_odoo_lookups_total",
                                   "Lookups of steps, found in the cache or not",
                                   {{"result", "hit"}})),
      lookups_missed(registry.counter("millrace_odoo_lookups_total",
                                      "Lookups of steps, found in the cache or not",
                                      {{"result", "miss"}})),
      lookups_stale(registry.counter(
          "millrace_odoo_lookups_stale_total",
          "Events begun anew because a record that lookups had found was not there any more")),
      duplicates(registry.counter("millrace_odoo_ledger_duplicates_total",
                                  "Events that the ledger had already")),
      already_there(registry.counter("millrace_odoo_already_there_total",
                                     "Calls left out because the record was as expected")),
      batch_rows(registry.histogram("millrace_odoo_batch_rows", "Records of a call")),
      call_us(registry.histogram("millrace_odoo_call_us", "Time of a call, microseconds")),
      held(registry.gauge("millrace_odoo_events_held",
                          "Events delivered to the sink and not settled")),
      waiting(registry.gauge("millrace_odoo_events_waiting",
                             "Events that wait in the sink for their next call")),
      connections_limit(registry.gauge("millrace_odoo_connections_limit",
                                       "Calls at a time that Odoo digests now")),
      lookup_entries(
          registry.gauge("millrace_odoo_lookup_entries", "Entries of the cache of lookups")),
      registry_(registry) {}

void SinkMetrics::count_event(const std::string& outcome) {
    auto& counter = events_[outcome];
    if (counter == nullptr) {
        counter = &registry_.counter(
            "millrace_odoo_events_total", "Events that the sink settled", {{"outcome", outcome}});
    }
    counter->add();
}

void SinkMetrics::count_call(const Call& call, std::size_t rows, std::uint64_t took_us) {
    auto& of = of_method_[call.model + " " + call.method];
    if (of.calls == nullptr) {
        const Labels labels{{"model", call.model}, {"method", call.method}};
        of = {.calls = &registry_.counter("millrace_odoo_calls_total", "Calls to Odoo", labels),
              .rows = &registry_.counter(
                  "millrace_odoo_call_rows_total", "Records of those calls", labels),
              .us = &registry_.counter(
                  "millrace_odoo_call_us_total", "Time of those calls, microseconds", labels)};
    }
    of.calls->add();
    of.rows->add(rows);
    of.us->add(took_us);
    batch_rows.observe(rows);
    call_us.observe(took_us);
}

Gauge& SinkMetrics::mapping_stopped(const std::string& place) {
    return registry_.gauge(
        "millrace_odoo_mapping_stopped",
        "1: Odoo does not let the user do what this entry asks; its events are put off",
        {{"mapping", place}});
}

void SinkMetrics::count_fault(const std::string& model, Cause cause) {
    registry_
        .counter("millrace_odoo_faults_total",
                 "Events that a step of a model could not bring in, each try counted",
                 {{"model", model}, {"cause", std::string(name_of(cause))}})
        .add();
}

}  // namespace millrace::broker::odoo
