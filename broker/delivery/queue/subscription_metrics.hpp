#pragma once

#include <array>

#include "broker/delivery/subscriptions.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::delivery {

/// What an operator sees of one subscription on one shard. docs/operations.md explains each.
class SubscriptionMetrics {
  public:
    SubscriptionMetrics(MetricsRegistry& registry, const std::string& subscription, ShardId shard);

    Counter& delivered;
    Counter& acked;
    Counter& nacked;
    Counter& letters;
    Counter& filtered;
    Counter& filter_failed;
    Counter& expired;
    Counter& headers_unreadable;
    Counter& circuit_changes;
    Counter& command_bytes;
    Counter& commands;
    Histogram& settle_latency_us;
    Histogram& attempts;
    std::array<Counter*, cause_count> dropped{};

    void note_circuit(Circuit state);
    /// Gauges, as things stand; the limit is the nearest one.
    void show(const SubscriptionProgress& progress, std::int64_t limit_percent);
    /// The subscription is gone: its gauges go to 0.
    void clear() { show({}, 0); }

  private:
    Gauge& consumers_;
    Gauge& in_flight_;
    Gauge& waiting_;
    Gauge& parked_keys_;
    Gauge& parked_records_;
    Gauge& limit_percent_;
    Gauge& lag_records_;
    Gauge& lag_seconds_;
    Gauge& circuit_state_;
    Gauge& stopped_parts_;
    Gauge& oldest_letter_seconds_;
    std::array<Gauge*, cause_count> letters_open_{};
};

}  // namespace millrace::broker::delivery
