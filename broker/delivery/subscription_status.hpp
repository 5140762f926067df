#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {

/// A subscription over all shards.
struct SubscriptionStatus {
    std::shared_ptr<const SubscriptionInfo> definition;
    /// Sums, and for circuit, lag and the oldest letter the worst; its circuit changes are below.
    SubscriptionProgress total;
    std::vector<std::pair<ShardId, CircuitChange>> circuit_changes;
};

/// One part a shard; none where a shard has nothing of it yet.
[[nodiscard]] SubscriptionStatus join_progress(
    std::shared_ptr<const SubscriptionInfo> definition,
    const std::vector<std::optional<SubscriptionProgress>>& shards);

}  // namespace millrace::broker::delivery
