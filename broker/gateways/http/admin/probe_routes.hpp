#pragma once

#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::http {

/// /metrics, /healthz and /readyz. What is given must outlive the routes.
[[nodiscard]] Routes probe_routes(const ShardGate& gate, MetricsRegistry& metrics);

}  // namespace millrace::broker::http
