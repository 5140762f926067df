#include "broker/gateways/http/admin/job_json.hpp"

#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/jobs/job_share.hpp"
#include "broker/gateways/http/admin/names.hpp"

namespace millrace::broker::http {
namespace {

Json spec_to_json(const delivery::ReplaySpec& spec) {
    Json json{{"topics", spec.topics},
              {"from_us", spec.from_us},
              {"to_us", spec.to_us},
              {"by", name_in(replay_by_names, spec.by)},
              {"where", spec.where},
              {"key", spec.key},
              {"headers", Json::object()},
              {"records_per_second", spec.records_per_second},
              {"time_scale", spec.time_scale},
              {"to_topic", spec.to_topic},
              {"to_subscription", spec.to_subscription},
              {"dry_run", spec.is_dry_run}};
    for (const auto& [name, value] : spec.headers) {
        json["headers"][name] = value;
    }
    return json;
}

Json spec_to_json(const delivery::RedriveSpec& spec) {
    return {{"subscription", spec.query.subscription},
            {"cause", spec.query.cause ? Json(name_in(cause_names, *spec.query.cause)) : Json()},
            {"key", spec.query.key},
            {"error_contains", spec.query.error_contains},
            {"correlation_id", spec.query.correlation_id},
            {"where", spec.query.where},
            {"since_us", spec.query.since_us},
            {"before_us", spec.query.before_us},
            {"transform", spec.transform},
            {"limit", spec.limit},
            {"records_per_second", spec.records_per_second},
            {"canary", spec.canary},
            {"failure_share_max", spec.failure_share_max}};
}

Json progress_json(const delivery::Job& job) {
    const auto& progress = job.progress;
    const auto share = delivery::share_of(job);
    const auto remaining = delivery::remaining_us_of(job);
    return {{"total", progress.total},
            {"matched", progress.matched},
            {"sent", progress.sent},
            {"skipped", progress.skipped},
            {"settled", progress.settled},
            {"failed", progress.failed},
            {"errors", progress.errors},
            {"bytes", progress.bytes},
            {"position_us", progress.position_us},
            {"active_ms", progress.active_us / 1000},
            {"rate", progress.rate},
            {"share", share < 0 ? Json() : Json(share)},
            {"remaining_ms", remaining ? Json(*remaining / 1000) : Json()},
            {"last_error", progress.last_error}};
}

}  // namespace

Json to_json(const delivery::Job& job) {
    Json json{{"id", job.id},
              {"kind", name_in(job_kind_names, job.kind)},
              {"state", name_in(job_state_names, job.state)},
              {"reason", job.reason},
              {"by", job.by},
              {"changed_by", job.changed_by},
              {"created_us", job.created_us},
              {"changed_us", job.changed_us}};
    if (job.kind == delivery::JobKind::replay) {
        json["replay"] = spec_to_json(job.replay);
    } else {
        json["redrive"] = spec_to_json(job.redrive);
    }
    json["progress"] = progress_json(job);
    return json;
}

void create_job(const ShardGate& gate, delivery::Job job, const Call& call, unsigned status) {
    gate.ask<delivery::Job>(
        catalog_shard,
        [job = std::move(job)](const ShardLink& link, const auto& done) {
            link.delivery->jobs().create(job, done);
        },
        [call, status](const Result<delivery::Job>& made) {
            made ? call.answer(to_json(made.value()), status) : call.refuse(made.error());
        });
}

}  // namespace millrace::broker::http
