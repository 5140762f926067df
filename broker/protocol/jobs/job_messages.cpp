#include "broker/protocol/jobs/job_messages.hpp"

#include "broker/delivery/jobs/job_share.hpp"
#include "client/wire/same_members.hpp"

namespace millrace::broker::protocol {
namespace {

using delivery::Job;
using delivery::JobKind;

delivery::ReplaySpec from_wire(const wire::ReplaySpecT& spec) {
    delivery::ReplaySpec made{.is_dry_run = spec.dry_run};
    wire::copy_replay(spec, made);
    for (const auto& header : spec.headers) {
        made.headers.emplace_back(header->key, header->value);
    }
    return made;
}

delivery::RedriveSpec from_wire(const wire::RedriveSpecT& spec) {
    delivery::RedriveSpec made;
    wire::copy_letter_query(spec, made.query);
    wire::copy_redrive(spec, made);
    return made;
}

std::unique_ptr<wire::ReplaySpecT> spec_to_wire(const delivery::ReplaySpec& spec) {
    auto made = std::make_unique<wire::ReplaySpecT>();
    wire::copy_replay(spec, *made);
    for (const auto& [key, value] : spec.headers) {
        auto header = std::make_unique<wire::HeaderMatchT>();
        header->key = key;
        header->value = value;
        made->headers.push_back(std::move(header));
    }
    made->dry_run = spec.is_dry_run;
    return made;
}

std::unique_ptr<wire::RedriveSpecT> spec_to_wire(const delivery::RedriveSpec& spec) {
    auto made = std::make_unique<wire::RedriveSpecT>();
    wire::copy_letter_query(spec.query, *made);
    wire::copy_redrive(spec, *made);
    return made;
}

std::unique_ptr<wire::JobProgressT> progress_of(const Job& job) {
    const auto& progress = job.progress;
    auto made = std::make_unique<wire::JobProgressT>();
    wire::copy_job_progress(progress, *made);
    made->share = delivery::share_of(job);
    if (const auto remaining = delivery::remaining_us_of(job)) {
        made->remaining_us = *remaining;
    }
    return made;
}

}  // namespace

std::unique_ptr<wire::JobT> to_wire(const Job& job) {
    auto made = std::make_unique<wire::JobT>();
    wire::copy_job(job, *made);
    if (job.kind == JobKind::replay) {
        made->replay = spec_to_wire(job.replay);
    } else {
        made->redrive = spec_to_wire(job.redrive);
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
