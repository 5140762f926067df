#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/odoo/metrics_text.hpp"

namespace millrace::cli {

/// What the feed did with one model, from its metrics.
struct ModelStatus {
    std::uint64_t calls = 0;
    std::uint64_t rows = 0;
    std::uint64_t us = 0;
    std::map<std::string, std::uint64_t> methods;
    std::map<std::string, std::uint64_t> faults;  ///< by cause
};
/// What the source reads of one model of Odoo.
struct SourceStatus {
    std::map<std::string, std::uint64_t> hints;   ///< by what became of them
    std::map<std::string, std::uint64_t> events;  ///< of records that were read back
    std::uint64_t found_by_sweep = 0;
    std::optional<std::uint64_t> sweep_age_s;  ///< since the last complete one began
    bool is_sweep_stopped = false;
    std::uint64_t faults = 0;
    std::string last_cause;
    std::int64_t last_fault_s = 0;  ///< since 1970; 0: none
};
struct FeedStatus {
    std::map<std::string, ModelStatus> models;
    std::map<std::string, SourceStatus> sources;  ///< by model; empty without a source
    std::uint64_t hints_held = 0;
    std::vector<std::string> stopped;  ///< entries of the mapping that the user has no right for
    std::map<std::string, std::uint64_t> events;  ///< by outcome
    std::uint64_t held = 0;
    std::uint64_t connections = 0;

    /// Events that are over: applied or not wanted.
    [[nodiscard]] std::uint64_t settled() const;
};
[[nodiscard]] FeedStatus read_feed(const std::vector<MetricLine>& metrics);

/// Minutes that a backlog takes at a rate; below 0 when nothing moves.
[[nodiscard]] double minutes_left(std::uint64_t backlog, double per_second);

}  // namespace millrace::cli
