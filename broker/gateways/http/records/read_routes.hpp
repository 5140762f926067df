#pragma once

#include "broker/gateways/http/records/event_stream.hpp"
#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

/// GET of records: JSON or lines after a poll, or a stream of events, as Accept says. What is given
/// must outlive the routes.
[[nodiscard]] Routes read_routes(const ShardGate& gate, StreamOffice& office);

}  // namespace millrace::broker::http
