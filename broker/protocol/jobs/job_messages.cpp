#include "broker/protocol/jobs/job_messages.hpp"

#include "broker/delivery/jobs/job_share.hpp"

namespace millrace::broker::protocol {
namespace {

using delivery::Job;
using delivery::JobKind;

delivery::ReplaySpec from_wire(const wire::ReplaySpecT& spec) {
    delivery::ReplaySpec made{.topics = spec.topics,
                              .from_us = spec.from_us,
                              .to_us = spec.to_us,
                              .by = static_cast<delivery::ReplayBy>(spec.by),
                              .where = spec.where,
                              .key = spec.key,
                              .headers = {},
                              .records_per_second = spec.records_per_second,
                              .time_scale = spec.time_scale,
                              .to_topic = spec.to_topic,
                              .to_subscription = spec.to_subscription,
                              .is_dry_run = spec.dry_run};
    for (const auto& header : spec.headers) {
        made.headers.emplace_back(header->key, header->value);
    }
    return made;
}

delivery::RedriveSpec from_wire(const wire::RedriveSpecT& spec) {
    return {.query = {.subscription = spec.subscription,
                      .cause = spec.cause ? std::optional(static_cast<delivery::Cause>(*spec.cause))
                                          : std::nullopt,
                      .state = {},
                      .key = spec.key,
                      .error_contains = spec.error_contains,
                      .correlation_id = spec.correlation_id,
                      .where = spec.where,
                      .since_us = spec.since_us,
                      .before_us = spec.before_us},
            .transform = spec.transform,
            .limit = spec.limit,
            .records_per_second = spec.records_per_second,
            .canary = spec.canary,
            .failure_share_max = spec.failure_share_max};
}

std::unique_ptr<wire::ReplaySpecT> to_wire(const delivery::ReplaySpec& spec) {
    auto made = std::make_unique<wire::ReplaySpecT>();
    made->topics = spec.topics;
    made->from_us = spec.from_us;
    made->to_us = spec.to_us;
    made->by = static_cast<wire::ReplayBy>(spec.by);
    made->where = spec.where;
    made->key = spec.key;
    for (const auto& [key, value] : spec.headers) {
        auto header = std::make_unique<wire::HeaderMatchT>();
        header->key = key;
        header->value = value;
        made->headers.push_back(std::move(header));
    }
    made->records_per_second = spec.records_per_second;
    made->time_scale = spec.time_scale;
    made->to_topic = spec.to_topic;
    made->to_subscription = spec.to_subscription;
    made->dry_run = spec.is_dry_run;
    return made;
}

std::unique_ptr<wire::RedriveSpecT> to_wire(const delivery::RedriveSpec& spec) {
    auto made = std::make_unique<wire::RedriveSpecT>();
    made->subscription = spec.query.subscription;
    if (spec.query.cause) {
        made->cause = static_cast<wire::Cause>(*spec.query.cause);
    }
    made->key = spec.query.key;
    made->error_contains = spec.query.error_contains;
    made->correlation_id = spec.query.correlation_id;
    made->where = spec.query.where;
    made->since_us = spec.query.since_us;
    made->before_us = spec.query.before_us;
    made->transform = spec.transform;
    made->limit = spec.limit;
    made->records_per_second = spec.records_per_second;
    made->canary = spec.canary;
    made->failure_share_max = spec.failure_share_max;
    return made;
}

std::unique_ptr<wire::JobProgressT> progress_of(const Job& job) {
    const auto& progress = job.progress;
    auto made = std::make_unique<wire::JobProgressT>();
    made->total = progress.total;
    made->matched = progress.matched;
    made->sent = progress.sent;
    made->skipped = progress.skipped;
    made->settled = progress.settled;
    made->failed = progress.failed;
    made->errors = progress.errors;
    made->bytes = progress.bytes;
    made->position_us = progress.position_us;
    made->active_us = progress.active_us;
    made->rate = progress.rate;
    made->last_error = progress.last_error;
    made->share = delivery::share_of(job);
    if (const auto remaining = delivery::remaining_us_of(job)) {
        made->remaining_us = *remaining;
    }
    return made;
}

}  // namespace

std::unique_ptr<wire::JobT> to_wire(const Job& job) {
    auto made = std::make_unique<wire::JobT>();
    made->id = job.id;
    made->kind = static_cast<wire::JobKind>(job.kind);
    made->state = static_cast<wire::JobState>(job.state);
    made->reason = job.reason;
    made->by = job.by;
    made->changed_by = job.changed_by;
    made->created_us = job.created_us;
    made->changed_us = job.changed_us;
    if (job.kind == JobKind::replay) {
        made->replay = to_wire(job.replay);
    } else {
        made->redrive = to_wire(job.redrive);
    }
    made->progress = progress_of(job);
    return made;
}

Result<Job> job_of(const wire::JobCreateRequestT& request) {
    if ((request.replay != nullptr) == (request.redrive != nullptr)) {
        return fail(Errc::invalid_argument, "a job is a replay or a redrive");
    }
    const bool has_bad_number =
        (request.replay && request.replay->by > wire::ReplayBy::MAX) ||
        (request.redrive && request.redrive->cause.value_or(wire::Cause::none) > wire::Cause::MAX);
    if (has_bad_number) {
        return fail(Errc::invalid_argument, "a number without a meaning");
    }
    Job job{.by = request.by};
    if (request.replay) {
        job.kind = JobKind::replay;
        job.replay = from_wire(*request.replay);
    } else {
        job.kind = JobKind::redrive;
        job.redrive = from_wire(*request.redrive);
    }
    return job;
}

}  // namespace millrace::broker::protocol
