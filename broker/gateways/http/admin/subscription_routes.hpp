#pragma once

#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

/// Queue subscriptions: list, create, look at, alter, pause, drain, resume, seek, delete. The gate
/// must outlive the routes.
[[nodiscard]] Routes subscription_routes(const ShardGate& gate);

}  // namespace millrace::broker::http
