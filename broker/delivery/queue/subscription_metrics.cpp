#include "broker/delivery/queue/subscription_metrics.hpp"

#include <algorithm>

namespace millrace::broker::delivery {
namespace {

Labels labels_of(const std::string& subscription, ShardId shard) {
    return {{"subscription", subscription}, {"shard", std::to_string(shard.value)}};
}

constexpr std::int64_t micros_per_second = 1'000'000;

}  // namespace

SubscriptionMetrics::SubscriptionMetrics(MetricsRegistry& registry,
                                         const std::string& subscription,
                                         ShardId shard)
    : delivered(registry.counter("millrace_delivery_delivered_total",
                                 "Records handed to consumers.",
                                 labels_of(subscription, shard))),
      acked(registry.counter("millrace_delivery_acked_total",
                             "Records settled by ack.",
                             labels_of(subscription, shard))),
      nacked(registry.counter("millrace_delivery_nacked_total",
                              "Records given back by nack or time-out.",
                              labels_of(subscription, shard))),
      letters(registry.counter(
          "millrace_delivery_letters_total", "Dead letters made.", labels_of(subscription, shard))),
      filtered(registry.counter("millrace_delivery_filtered_total",
                                "Records that the filter did not want.",
                                labels_of(subscription, shard))),
      filter_failed(registry.counter("millrace_delivery_filter_failed_total",
                                     "Records on which the filter failed; not delivered.",
                                     labels_of(subscription, shard))),
      expired(registry.counter("millrace_delivery_expired_total",
                               "Records not delivered before their expires-at.",
                               labels_of(subscription, shard))),
      headers_unreadable(registry.counter("millrace_delivery_headers_unreadable_total",
                                          "Headers deliver-after and expires-at that say no time.",
                                          labels_of(subscription, shard))),
      circuit_changes(registry.counter("millrace_delivery_circuit_changes_total",
                                       "Changes of the circuit.",
                                       labels_of(subscription, shard))),
      command_bytes(registry.counter("millrace_delivery_command_bytes_total",
                                     "Bytes of settlements and other commands for the log.",
                                     labels_of(subscription, shard))),
      commands(registry.counter("millrace_delivery_commands_total",
                                "Settlements and other commands for the log.",
                                labels_of(subscription, shard))),
      settle_latency_us(registry.histogram("millrace_delivery_settle_latency_us",
                                           "From append to the durable ack.",
                                           labels_of(subscription, shard))),
      attempts(registry.histogram("millrace_delivery_attempts",
                                  "Attempts that an acked record took.",
                                  labels_of(subscription, shard))),
      consumers_(registry.gauge("millrace_delivery_consumers",
                                "Consumers that are open.",
                                labels_of(subscription, shard))),
      in_flight_(registry.gauge("millrace_delivery_in_flight",
                                "Records that consumers have and have not settled.",
                                labels_of(subscription, shard))),
      waiting_(registry.gauge("millrace_delivery_waiting",
                              "Records that wait for a retry or their deliver-after.",
                              labels_of(subscription, shard))),
      parked_keys_(registry.gauge("millrace_delivery_parked_keys",
                                  "Keys with records that wait behind another of their key.",
                                  labels_of(subscription, shard))),
      parked_records_(registry.gauge("millrace_delivery_parked_records",
                                     "Records that wait behind another of their key.",
                                     labels_of(subscription, shard))),
      limit_percent_(registry.gauge("millrace_delivery_limit_percent",
                                    "How much of parked_keys_max, parked_records_max or "
                                    "waiting_records_max is used, whichever is nearest.",
                                    labels_of(subscription, shard))),
      lag_records_(registry.gauge("millrace_delivery_lag_records",
                                  "Records that are not settled.",
                                  labels_of(subscription, shard))),
      lag_seconds_(registry.gauge("millrace_delivery_lag_seconds",
                                  "Age of the oldest record that is not settled.",
                                  labels_of(subscription, shard))),
      circuit_state_(registry.gauge("millrace_delivery_circuit_state",
                                    "0 closed, 1 open, 2 half-open.",
                                    labels_of(subscription, shard))),
      stopped_parts_(registry.gauge("millrace_delivery_stopped_parts",
                                    "Parts that a consumer has stopped while all else flows.",
                                    labels_of(subscription, shard))),
      oldest_letter_seconds_(registry.gauge(
          "millrace_delivery_oldest_letter_seconds",
          "Time since the first failure of the oldest letter that is open or redriven.",
          labels_of(subscription, shard))) {
    for (std::size_t cause = 1; cause < cause_count; ++cause) {
        auto labels = labels_of(subscription, shard);
        labels.emplace_back("cause", name_of(static_cast<Cause>(cause)));
        dropped[cause] = &registry.counter(
            "millrace_delivery_dropped_total", "Records given up without a dead letter.", labels);
        letters_open_[cause] = &registry.gauge(
            "millrace_delivery_letters_open", "Dead letters that are open.", labels);
    }
}

void SubscriptionMetrics::note_circuit(Circuit state) {
    circuit_changes.add();
    circuit_state_.set(static_cast<std::int64_t>(state));
}

void SubscriptionMetrics::show(const SubscriptionProgress& progress, std::int64_t limit_percent) {
    const auto number = [](auto count) { return static_cast<std::int64_t>(count); };
    consumers_.set(number(progress.consumers));
    in_flight_.set(number(progress.in_flight));
    waiting_.set(number(progress.waiting_retry + progress.waiting_delay));
    parked_keys_.set(number(progress.parked_keys));
    parked_records_.set(number(progress.parked_records));
    limit_percent_.set(limit_percent);
    lag_records_.set(number(progress.lag_records));
    lag_seconds_.set(progress.lag_us / micros_per_second);
    circuit_state_.set(number(progress.circuit));
    stopped_parts_.set(number(progress.stopped_parts));
    oldest_letter_seconds_.set(progress.oldest_letter_us / micros_per_second);
    for (std::size_t cause = 1; cause < cause_count; ++cause) {
        letters_open_[cause]->set(number(progress.letters_by_cause[cause]));
    }
}

}  // namespace millrace::broker::delivery
