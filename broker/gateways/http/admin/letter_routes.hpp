#pragma once

#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

/// Dead letters of a subscription: list, count by what they share, look at, mend, send again,
/// discard. The gate must outlive the routes.
[[nodiscard]] Routes letter_routes(const ShardGate& gate);

}  // namespace millrace::broker::http
