#include "broker/delivery/subscription_status.hpp"

#include <algorithm>
#include <iterator>

namespace millrace::broker::delivery {
namespace {

using ProgressOfShard = std::optional<SubscriptionProgress>;

constexpr std::size_t reasons_max = 4;  ///< in a line that a person reads

void add_counts(SubscriptionProgress& total, const SubscriptionProgress& part) {
    total.in_flight += part.in_flight;
    total.waiting_retry += part.waiting_retry;
    total.parked_keys += part.parked_keys;
    total.parked_records += part.parked_records;
    total.lag_records += part.lag_records;
    total.delivered += part.delivered;
    total.acked += part.acked;
    total.nacked += part.nacked;
    total.letters_open += part.letters_open;
    total.waiting_delay += part.waiting_delay;
    total.filtered += part.filtered;
    total.filter_failed += part.filter_failed;
    total.expired += part.expired;
    total.dropped += part.dropped;
    for (std::size_t cause = 0; cause < cause_count; ++cause) {
        total.letters_by_cause[cause] += part.letters_by_cause[cause];
    }
}

void add(SubscriptionProgress& total, const SubscriptionProgress& part) {
    add_counts(total, part);
    total.circuit = std::max(total.circuit, part.circuit);
    total.stopped_parts = std::max(total.stopped_parts, part.stopped_parts);
    // A consumer is open on every shard.
    total.consumers = std::max(total.consumers, part.consumers);
    total.lag_us = std::max(total.lag_us, part.lag_us);
    total.next_retry_us = earlier(total.next_retry_us, part.next_retry_us);
    total.next_delay_us = earlier(total.next_delay_us, part.next_delay_us);
    total.oldest_letter_us = std::max(total.oldest_letter_us, part.oldest_letter_us);
    std::ranges::copy(part.partitions, std::back_inserter(total.partitions));
}

/// What several shards say stands once.
void add_reason(const std::string& reason, std::vector<std::string>& reasons) {
    if (!reason.empty() && std::ranges::find(reasons, reason) == reasons.end()) {
        reasons.push_back(reason);
    }
}

/// What is stopped comes first: a person must see to it.
std::string join_reasons(const std::vector<ProgressOfShard>& shards) {
    std::vector<std::string> reasons;
    for (const auto reason :
         {&SubscriptionProgress::stopped_reason, &SubscriptionProgress::reason}) {
        for (const auto& part : shards) {
            add_reason(part ? (*part).*reason : std::string(), reasons);
        }
    }
    std::string text;
    for (std::size_t at = 0; at < std::min(reasons.size(), reasons_max); ++at) {
        text += (at == 0 ? "" : "; ") + reasons[at];
    }
    const auto others = reasons.size() - std::min(reasons.size(), reasons_max);
    return text + (others == 0 ? "" : "; and " + std::to_string(others) + " more");
}

/// Since when every shard has been drained; nothing as long as one has not.
std::optional<UnixMicros> drained_since(const std::vector<ProgressOfShard>& shards) {
    UnixMicros since = 0;
    for (const auto& part : shards) {
        if (!part || !part->drained_us) {
            return std::nullopt;
        }
        since = std::max(since, *part->drained_us);
    }
    return since;
}

std::string reason_of_drain(const SubscriptionProgress& total, const std::string& why) {
    const auto state = total.drained_us ? std::string("drained")
                                        : "draining, in flight: " + std::to_string(total.in_flight);
    return why.empty() ? state : state + ": " + why;
}

}  // namespace

SubscriptionStatus join_progress(std::shared_ptr<const SubscriptionInfo> definition,
                                 const std::vector<ProgressOfShard>& shards) {
    SubscriptionStatus status;
    auto& total = status.total;
    for (ShardId shard{0}; shard.value < shards.size(); ++shard) {
        const auto& part = shards[shard.value];
        if (!part) {
            continue;
        }
        add(total, *part);
        for (const auto& change : part->circuit_changes) {
            status.circuit_changes.emplace_back(shard, change);
        }
    }
    total.reason = join_reasons(shards);
    if (definition->draining) {
        total.drained_us = drained_since(shards);
        total.reason = reason_of_drain(total, definition->pause_reason);
    }
    if (total.reason.empty() && total.consumers == 0) {
        total.reason = "no consumer is connected";
    }
    status.definition = std::move(definition);
    return status;
}

}  // namespace millrace::broker::delivery
