#include "broker/gateways/http/admin/probe_routes.hpp"

#include "broker/observability/exposition.hpp"
#include "client/expressions/run_watch.hpp"

namespace millrace::broker::http {
namespace {

constexpr unsigned unavailable = 503;

Response text(unsigned status, std::string body) {
    return {.status = status, .content_type = "text/plain; charset=utf-8", .body = std::move(body)};
}

/// What a shard says of itself, a line each: what ends its work, and what somebody should look at.
struct Ailments {
    std::string failures;
    std::string warnings;
};

Ailments ailments_of(const ShardLink& link) {
    const auto failure = link.shard->failure();
    const auto stays = link.shard->store().stats().state_dump_failure;
    return {.failures = failure ? failure->text + "\n" : std::string(),
            .warnings = stays.empty() ? std::string()
                                      : "shard " + std::to_string(link.shard->id().value) +
                                            ": old segments stay, the state in them can't be "
                                            "copied forward: " +
                                            stays + "\n"};
}

void answer_health(const ShardGate& gate, const Call& call) {
    if (!gate.is_open()) {
        call.respond(gate.is_closed() ? text(unavailable, "stopping\n") : text(200, "ok\n"));
        return;
    }
    gate.gather<Ailments>(
        ailments_of, [respond = call.respond](const Result<std::vector<Ailments>>& shards) {
            if (!shards) {
                respond(text(unavailable, "stopping\n"));
                return;
            }
            Ailments all;
            for (const auto& one : shards.value()) {
                all.failures += one.failures;
                all.warnings += one.warnings;
            }
            respond(all.failures.empty() ? text(200, "ok\n" + all.warnings)
                                         : text(unavailable, all.failures + all.warnings));
        });
}

}  // namespace

Routes probe_routes(const ShardGate& gate, MetricsRegistry& metrics) {
    auto& stopped = metrics.gauge("millrace_expressions_stopped",
                                  "Runs of jq programs that took more than the time they may");
    return {{.pattern = "/metrics",
             .summary = "Metrics in Prometheus' text format.",
             .handle =
                 [&metrics, &stopped](const Call& call) {
                     stopped.set(static_cast<std::int64_t>(expressions::RunWatch::stopped_count()));
                     call.respond({.content_type = "text/plain; version=0.0.4; charset=utf-8",
                                   .body = format_metrics(metrics)});
                 },
             .success_type = "text/plain"},
            {.pattern = "/healthz",
             .summary = "200 while every shard works, 503 with the reason when one has failed.",
             .handle = [&gate](const Call& call) { answer_health(gate, call); },
             .success_type = "text/plain"},
            {.pattern = "/readyz",
             .summary = "200 once every shard serves.",
             .handle =
                 [&gate](const Call& call) {
                     call.respond(gate.is_open() ? text(200, "ready\n")
                                                 : text(unavailable, gate.closed().text + "\n"));
                 },
             .success_type = "text/plain"}};
}

Routes cluster_routes(const ClusterStatusOf& status) {
    return {{.pattern = "/v1/cluster",
             .summary = "What this node knows of its cluster: who leads, the links, how far each "
                        "replica is.",
             .handle = [&status](const Call& call) {
                 if (!status) {
                     call.refuse(fail(Errc::not_found, "this node stands alone"));
                     return;
                 }
                 status([respond = call.respond](std::string json) {
                     respond({.content_type = "application/json", .body = std::move(json)});
                 });
             }}};
}

}  // namespace millrace::broker::http
