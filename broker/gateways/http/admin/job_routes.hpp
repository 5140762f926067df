#pragma once

#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

/// Replays, and all jobs: create, list, look at, pause, resume, cancel. The gate must outlive the
/// routes.
[[nodiscard]] Routes job_routes(const ShardGate& gate);

}  // namespace millrace::broker::http
