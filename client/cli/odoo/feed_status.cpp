#include "client/cli/odoo/feed_status.hpp"

#include <string_view>

namespace millrace::cli {
namespace {

std::string label(const MetricLine& line, const char* name) {
    const auto found = line.labels.find(name);
    return found == line.labels.end() ? std::string() : found->second;
}

constexpr std::string_view source_prefix = "millrace_odoo_source_";

void add_source(FeedStatus& status, const MetricLine& line, std::uint64_t value) {
    const auto name = std::string_view(line.name).substr(source_prefix.size());
    if (name == "hints_held") {
        status.hints_held = value;
        return;
    }
    auto& source = status.sources[label(line, "model")];
    if (name == "hints_total") {
        source.hints[label(line, "outcome")] += value;
    } else if (name == "events_total") {
        source.events[label(line, "outcome")] += value;
    } else if (name == "found_by_sweep_total") {
        source.found_by_sweep += value;
    } else if (name == "sweep_lag_seconds") {
        source.sweep_age_s = value;
    } else if (name == "sweep_stopped") {
        source.is_sweep_stopped = value > 0;
    } else if (name == "faults_total") {
        source.faults += value;
    } else if (name == "last_fault_seconds" &&
               static_cast<std::int64_t>(value) > source.last_fault_s) {
        source.last_fault_s = static_cast<std::int64_t>(value);
        source.last_cause = label(line, "cause");
    }
}

}  // namespace

std::uint64_t FeedStatus::settled() const {
    std::uint64_t count = 0;
    for (const char* const outcome : {"applied", "not_wanted"}) {
        const auto found = events.find(outcome);
        count += found == events.end() ? 0 : found->second;
    }
    return count;
}

FeedStatus read_feed(const std::vector<MetricLine>& metrics) {
    FeedStatus status;
    for (const auto& line : metrics) {
        const auto value = line.value < 0 ? 0 : static_cast<std::uint64_t>(line.value);
        if (line.name.starts_with(source_prefix)) {
            add_source(status, line, value);
        } else if (line.name == "millrace_odoo_mapping_stopped" && value > 0) {
            status.stopped.push_back(label(line, "mapping"));
        } else if (line.name == "millrace_odoo_calls_total") {
            auto& model = status.models[label(line, "model")];
            model.calls += value;
            model.methods[label(line, "method")] += value;
        } else if (line.name == "millrace_odoo_call_rows_total") {
            status.models[label(line, "model")].rows += value;
        } else if (line.name == "millrace_odoo_call_us_total") {
            status.models[label(line, "model")].us += value;
        } else if (line.name == "millrace_odoo_faults_total") {
            status.models[label(line, "model")].faults[label(line, "cause")] += value;
        } else if (line.name == "millrace_odoo_events_total") {
            status.events[label(line, "outcome")] += value;
        } else if (line.name == "millrace_odoo_events_held") {
            status.held = value;
        } else if (line.name == "millrace_odoo_connections_limit") {
            status.connections = value;
        }
    }
    return status;
}

double minutes_left(std::uint64_t backlog, double per_second) {
    if (backlog == 0) {
        return 0;
    }
    return per_second > 0 ? static_cast<double>(backlog) / per_second / 60 : -1;
}

}  // namespace millrace::cli
