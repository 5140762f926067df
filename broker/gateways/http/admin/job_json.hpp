#pragma once

#include "broker/delivery/jobs/jobs.hpp"
#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

[[nodiscard]] Json to_json(const delivery::Job& job);
/// Answers with the job that was made, or why none was.
void create_job(const ShardGate& gate, delivery::Job job, const Call& call, unsigned status);

}  // namespace millrace::broker::http
