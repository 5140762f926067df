#pragma once

#include <cstdint>
#include <map>
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
struct FeedStatus {
    std::map<std::string, ModelStatus> models;
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
