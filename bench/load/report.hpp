#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bench/load/peers/peer_loop.hpp"
#include "bench/load/works/workloads.hpp"

namespace millrace::bench {

/// What a run gives: an object of JSON without line breaks, and the latencies that it sums up.
struct Report {
    std::string json;
    std::vector<std::pair<std::string, LatencyHistogram>> latencies;
};

[[nodiscard]] Report report(const PublishLoad& load, const PublishFigures& figures);
[[nodiscard]] Report report(const PacedLoad& load, const PacedFigures& figures);
[[nodiscard]] Report report(const PacedLoad& load, const EndToEndFigures& figures);
[[nodiscard]] Report report(const BurstLoad& load, const BurstFigures& figures);
[[nodiscard]] Report report(const CriticalityLoad& load, const CriticalityFigures& figures);
[[nodiscard]] Report report(const ReadLoad& load, const ReadFigures& figures);
[[nodiscard]] Report report(const SeekLoad& load, const LatencyHistogram& latency);
[[nodiscard]] Report report(const QueueLoad& load, const QueueFigures& figures);
[[nodiscard]] Report report(const HttpLoad& load, const HttpFigures& figures);
[[nodiscard]] Report report(const PeerLoad& load, const PublishFigures& figures);
[[nodiscard]] Report report(const FloorFigures& figures);

/// A line and a bar for each power of two of microseconds.
[[nodiscard]] std::string bars_of(const LatencyHistogram& latency);

}  // namespace millrace::bench
