#pragma once

#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

/// Topics: list, create, look at, alter, delete. The gate must outlive the routes.
[[nodiscard]] Routes topic_routes(const ShardGate& gate);

}  // namespace millrace::broker::http
