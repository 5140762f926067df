#pragma once

#include <map>
#include <string>

#include "broker/odoo/transport/transport.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::odoo {

/// What the sink counts; docs/odoo.md lists it. Labels are bounded by the mapping.
class SinkMetrics {
  public:
    explicit SinkMetrics(MetricsRegistry& registry);

    void count_event(const std::string& outcome);
    /// A call was answered, well or not.
    void count_call(const Call& call, std::size_t rows, std::uint64_t took_us);
    /// 1 while an entry of the mapping is stopped.
    [[nodiscard]] Gauge& mapping_stopped(const std::string& place);
    void count_fault(const std::string& model, Cause cause);

    Counter& rows_written;
    Counter& rows_refused;
    Counter& lookups_hit;
    Counter& lookups_missed;
    Counter& lookups_stale;
    Counter& duplicates;
    Counter& already_there;
    Histogram& batch_rows;
    Histogram& call_us;
    Gauge& held;
    Gauge& waiting;
    Gauge& connections_limit;
    Gauge& lookup_entries;

  private:
    struct OfMethod {
        Counter* calls = nullptr;
        Counter* rows = nullptr;
        Counter* us = nullptr;
    };
    MetricsRegistry& registry_;
    std::map<std::string, OfMethod> of_method_;
    std::map<std::string, Counter*> events_;
};

}  // namespace millrace::broker::odoo
