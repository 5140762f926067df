#pragma once

#include <functional>
#include <string>

#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::http {

/// /metrics, /healthz and /readyz. What is given must outlive the routes.
[[nodiscard]] Routes probe_routes(const ShardGate& gate, MetricsRegistry& metrics);
/// /v1/cluster; `status` may be empty, in a node that stands alone, and outlives the routes.
using ClusterStatusOf = std::function<void(std::function<void(std::string json)> done)>;
[[nodiscard]] Routes cluster_routes(const ClusterStatusOf& status);

}  // namespace millrace::broker::http
