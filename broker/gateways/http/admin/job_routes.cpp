#include "broker/gateways/http/admin/job_routes.hpp"

#include <limits>

#include "broker/delivery/delivery_shard.hpp"
#include "broker/gateways/http/admin/job_json.hpp"
#include "broker/gateways/http/admin/members.hpp"
#include "broker/gateways/http/records/record_text.hpp"

namespace millrace::broker::http {
namespace {

using delivery::Job;
using delivery::JobState;

void answer_jobs(const Call& call, const std::vector<Job>& jobs) {
    const auto state = find_named(job_state_names, call.target.param("state").value_or(""));
    const auto kind = find_named(job_kind_names, call.target.param("kind").value_or(""));
    Json found = Json::array();
    for (const auto& job : jobs) {
        if ((!state || job.state == *state) && (!kind || job.kind == *kind)) {
            found.push_back(to_json(job));
        }
    }
    call.answer({{"jobs", std::move(found)}});
}

void list_jobs(const ShardGate& gate, const Call& call) {
    gate.ask<std::vector<Job>>(
        catalog_shard,
        [](const ShardLink& link, const auto& done) { done(link.delivery->jobs().list()); },
        [call](const Result<std::vector<Job>>& jobs) {
            jobs ? answer_jobs(call, jobs.value()) : call.refuse(jobs.error());
        });
}

Result<std::uint64_t> job_id(const Call& call) {
    if (const auto id = call.path_number("id")) {
        return *id;
    }
    return fail(Errc::not_found, "there is no job \"" + call.path_param("id") + "\"");
}

std::function<void(Result<Job>)> answer_job(const Call& call) {
    return [call](const Result<Job>& job) {
        job ? call.answer(to_json(job.value())) : call.refuse(job.error());
    };
}

void show_job(const ShardGate& gate, const Call& call) {
    const auto id = job_id(call);
    if (!id) {
        call.refuse(id.error());
        return;
    }
    gate.ask<Job>(
        catalog_shard,
        [id = id.value()](const ShardLink& link, const auto& done) {
            done(link.delivery->jobs().show(id));
        },
        answer_job(call));
}

template <JobState state>
void change(const ShardGate& gate, const Call& call) {
    const auto id = job_id(call);
    if (!id) {
        call.refuse(id.error());
        return;
    }
    const delivery::JobChange wish{.state = state,
                                   .reason = call.body.value("reason", ""),
                                   .by = call.body.value("by", std::string(default_by))};
    gate.ask<Job>(
        catalog_shard,
        [id = id.value(), wish](const ShardLink& link, const auto& done) {
            link.delivery->jobs().change(id, wish, done);
        },
        answer_job(call));
}

void replay(const ShardGate& gate, const Call& call) {
    const auto& body = call.body;
    Job job{.kind = delivery::JobKind::replay, .by = body.value("by", std::string(default_by))};
    auto& spec = job.replay;
    spec.to_us = std::numeric_limits<UnixMicros>::max();
    take(body, "topics", spec.topics);
    take_moment(body, "from", spec.from_us);
    take_moment(body, "to", spec.to_us);
    take_named(body, "time", replay_by_names, spec.by);
    take(body, "where", spec.where);
    take(body, "key", spec.key);
    take(body, "records_per_second", spec.records_per_second);
    take(body, "time_scale", spec.time_scale);
    take(body, "to_topic", spec.to_topic);
    take(body, "to_subscription", spec.to_subscription);
    take(body, "dry_run", spec.is_dry_run);
    if (const auto headers = body.find("headers"); headers != body.end()) {
        for (const auto& [name, value] : headers->items()) {
            spec.headers.emplace_back(name, text_of(value));
        }
    }
    create_job(gate, std::move(job), call, status_accepted);
}

BodyRule replay_rule() {
    return {
        .need = BodyNeed::required,
        .content_types = {"application/json"},
        .fields = {{.name = "topics",
                    .type = FieldType::texts,
                    .help = "Names or patterns.",
                    .is_required = true},
                   {.name = "from",
                    .type = FieldType::moment,
                    .help = "The window begins here.",
                    .is_required = true},
                   {.name = "to",
                    .type = FieldType::moment,
                    .help = "And ends before this; now when nothing is said."},
                   {.name = "time",
                    .help = "Which time counts: of append, or of the event.",
                    .one_of = words_of(replay_by_names)},
                   {.name = "where", .help = "Records that this jq program says true to."},
                   {.name = "key", .help = "Of this key."},
                   {.name = "headers", .type = FieldType::object, .help = "With these headers."},
                   {.name = "records_per_second",
                    .type = FieldType::number,
                    .help = "0: as fast as it goes."},
                   {.name = "time_scale",
                    .type = FieldType::number,
                    .help = "Original spacing, so many times faster; 0: without."},
                   {.name = "to_topic", .help = "They are published there."},
                   {.name = "to_subscription", .help = "Only this one gets them."},
                   {.name = "dry_run", .type = FieldType::boolean, .help = "Only counts."},
                   {.name = "by", .help = "Who does it."}}};
}

}  // namespace

Routes job_routes(const ShardGate& gate) {
    const auto at = [&gate](void (*handle)(const ShardGate&, const Call&)) {
        return [&gate, handle](const Call& call) { handle(gate, call); };
    };
    Routes routes{
        {.method = Method::post,
         .pattern = "/v1/replays",
         .summary = "Sends a window of the past to a subscription or a topic; a job of the broker.",
         .handle = at(replay),
         .body = replay_rule(),
         .success = status_accepted},
        {.pattern = "/v1/jobs",
         .summary = "Replay and redrive jobs.",
         .handle = at(list_jobs),
         .query = {{.name = "state",
                    .help = "How they stand.",
                    .one_of = words_of(job_state_names)},
                   {.name = "kind", .help = "What they do.", .one_of = words_of(job_kind_names)}}},
        {.pattern = "/v1/jobs/{id}",
         .summary = "One job and how far it is.",
         .handle = at(show_job)}};
    const auto action = [&](std::string name, std::string_view summary, auto handle) {
        routes.push_back({.method = Method::post,
                          .pattern = "/v1/jobs/{id}/" + std::move(name),
                          .summary = summary,
                          .handle = at(handle),
                          .body = {.need = BodyNeed::optional,
                                   .content_types = {"application/json"},
                                   .fields = {{.name = "reason", .help = "Why."},
                                              {.name = "by", .help = "Who does it."}}}});
    };
    action("pause", "Stops a job until it is resumed.", change<JobState::paused>);
    action("resume", "Goes on with a paused job.", change<JobState::running>);
    action("cancel", "Ends a job for good.", change<JobState::cancelled>);
    return routes;
}

}  // namespace millrace::broker::http
