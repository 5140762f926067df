#include "millrace/jobs.hpp"

#include "client/src/jobs/jobs_impl.hpp"
#include "client/wire/schema/jobs_generated.h"

namespace millrace {
namespace {

using wire::Api;

std::unique_ptr<wire::ReplaySpecT> to_wire(const ReplayJob& job) {
    auto made = std::make_unique<wire::ReplaySpecT>();
    made->topics = job.topics;
    made->from_us = job.from_us;
    made->to_us = job.to_us;
    made->by = static_cast<wire::ReplayBy>(job.by);
    made->where = job.where;
    made->key = job.key;
    for (const auto& header : job.headers) {
        auto match = std::make_unique<wire::HeaderMatchT>();
        match->key = header.key;
        match->value = header.value;
        made->headers.push_back(std::move(match));
    }
    made->records_per_second = job.records_per_second;
    made->time_scale = job.time_scale;
    made->to_topic = job.to_topic;
    made->to_subscription = job.to_subscription;
    made->dry_run = job.dry_run;
    return made;
}

std::unique_ptr<wire::RedriveSpecT> to_wire(const RedriveJob& job) {
    auto made = std::make_unique<wire::RedriveSpecT>();
    made->subscription = job.query.subscription;
    if (job.query.cause) {
        made->cause = static_cast<wire::Cause>(*job.query.cause);
    }
    made->key = job.query.key;
    made->error_contains = job.query.error_contains;
    made->correlation_id = job.query.correlation_id;
    made->where = job.query.where;
    made->since_us = job.query.since_us;
    made->before_us = job.query.before_us;
    made->transform = job.transform;
    made->limit = job.limit;
    made->records_per_second = job.records_per_second;
    made->canary = job.canary;
    made->failure_share_max = job.failure_share_max;
    return made;
}

ReplayJob from_wire(const wire::ReplaySpecT& spec) {
    ReplayJob job{.topics = spec.topics,
                  .from_us = spec.from_us,
                  .to_us = spec.to_us,
                  .by = static_cast<ReplayBy>(spec.by),
                  .where = spec.where,
                  .key = spec.key,
                  .headers = {},
                  .records_per_second = spec.records_per_second,
                  .time_scale = spec.time_scale,
                  .to_topic = spec.to_topic,
                  .to_subscription = spec.to_subscription,
                  .dry_run = spec.dry_run};
    for (const auto& header : spec.headers) {
        job.headers.push_back({.key = header->key, .value = header->value});
    }
    return job;
}

RedriveJob from_wire(const wire::RedriveSpecT& spec) {
    RedriveJob job{.query = {},
                   .transform = spec.transform,
                   .limit = spec.limit,
                   .records_per_second = spec.records_per_second,
                   .canary = spec.canary,
                   .failure_share_max = spec.failure_share_max};
    job.query.subscription = spec.subscription;
    if (spec.cause) {
        job.query.cause = static_cast<Cause>(*spec.cause);
    }
    job.query.key = spec.key;
    job.query.error_contains = spec.error_contains;
    job.query.correlation_id = spec.correlation_id;
    job.query.where = spec.where;
    job.query.since_us = spec.since_us;
    job.query.before_us = spec.before_us;
    return job;
}

JobProgress from_wire(const wire::JobProgressT& progress) {
    return {.total = progress.total,
            .matched = progress.matched,
            .sent = progress.sent,
            .skipped = progress.skipped,
            .settled = progress.settled,
            .failed = progress.failed,
            .errors = progress.errors,
            .bytes = progress.bytes,
            .position_us = progress.position_us,
            .active_us = progress.active_us,
            .rate = progress.rate,
            .share = progress.share,
            .remaining_us = progress.remaining_us,
            .last_error = progress.last_error};
}

JobDescription from_wire(const wire::JobT& job) {
    return {.id = job.id,
            .kind = static_cast<JobKind>(job.kind),
            .state = static_cast<JobState>(job.state),
            .reason = job.reason,
            .by = job.by,
            .changed_by = job.changed_by,
            .created_us = job.created_us,
            .changed_us = job.changed_us,
            .replay = job.replay ? from_wire(*job.replay) : ReplayJob{},
            .redrive = job.redrive ? from_wire(*job.redrive) : RedriveJob{},
            .progress = job.progress ? from_wire(*job.progress) : JobProgress{}};
}

/// A broker that says neither error nor job is not to be trusted.
template <class Request>
JobDescription call(client::Core& core, Api api, Request request) {
    const auto answer = core.call<wire::JobAnswer>(api, std::move(request));
    if (!answer.job) {
        client::throw_error(fail(Errc::malformed, "the broker's answer holds no job"));
    }
    return from_wire(*answer.job);
}

wire::JobControlRequestT control_request(std::uint64_t id,
                                         wire::JobAction action,
                                         const std::string& by) {
    wire::JobControlRequestT request;
    request.id = id;
    request.action = action;
    request.by = by;
    return request;
}

}  // namespace

Jobs::Jobs(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

JobDescription Jobs::replay(const ReplayJob& job, const std::string& by) {
    wire::JobCreateRequestT request;
    request.replay = to_wire(job);
    request.by = by;
    return call(*impl_->core, Api::job_create, std::move(request));
}

JobDescription Jobs::redrive(const RedriveJob& job, const std::string& by) {
    wire::JobCreateRequestT request;
    request.redrive = to_wire(job);
    request.by = by;
    return call(*impl_->core, Api::job_create, std::move(request));
}

std::vector<JobDescription> Jobs::list() {
    const auto answer =
        impl_->core->call<wire::JobListAnswer>(Api::job_list, wire::JobListRequestT{});
    std::vector<JobDescription> all;
    for (const auto& job : answer.jobs) {
        all.push_back(from_wire(*job));
    }
    return all;
}

JobDescription Jobs::show(std::uint64_t id) {
    wire::JobShowRequestT request;
    request.id = id;
    return call(*impl_->core, Api::job_show, request);
}

JobDescription Jobs::pause(std::uint64_t id, const std::string& by, const std::string& reason) {
    auto request = control_request(id, wire::JobAction::pause, by);
    request.reason = reason;
    return call(*impl_->core, Api::job_control, std::move(request));
}

JobDescription Jobs::resume(std::uint64_t id, const std::string& by) {
    return call(*impl_->core, Api::job_control, control_request(id, wire::JobAction::resume, by));
}

JobDescription Jobs::cancel(std::uint64_t id, const std::string& by, const std::string& reason) {
    auto request = control_request(id, wire::JobAction::cancel, by);
    request.reason = reason;
    return call(*impl_->core, Api::job_control, std::move(request));
}

}  // namespace millrace
