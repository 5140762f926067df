#pragma once

#include "broker/gateways/http/records/event_stream.hpp"
#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

/// GET of records: JSON or lines after a poll, or a stream of events, as Accept says. The gate must
/// outlive the routes.
[[nodiscard]] Routes read_routes(const ShardGate& gate, std::shared_ptr<StreamOffice> office);

}  // namespace millrace::broker::http
