#include "millrace/jobs.hpp"

#include "client/src/jobs/jobs_impl.hpp"
#include "client/wire/same_members.hpp"
#include "client/wire/schema/jobs_generated.h"

namespace millrace {
namespace {

using wire::Api;

std::unique_ptr<wire::ReplaySpecT> to_wire(const ReplayJob& job) {
    auto made = std::make_unique<wire::ReplaySpecT>();
    wire::copy_replay(job, *made);
    for (const auto& header : job.headers) {
        auto match = std::make_unique<wire::HeaderMatchT>();
        match->key = header.key;
        match->value = header.value;
        made->headers.push_back(std::move(match));
    }
    made->dry_run = job.dry_run;
    return made;
}

std::unique_ptr<wire::RedriveSpecT> to_wire(const RedriveJob& job) {
    auto made = std::make_unique<wire::RedriveSpecT>();
    wire::copy_letter_query(job.query, *made);
    wire::copy_redrive(job, *made);
    return made;
}

ReplayJob from_wire(const wire::ReplaySpecT& spec) {
    ReplayJob job;
    wire::copy_replay(spec, job);
    job.dry_run = spec.dry_run;
    for (const auto& header : spec.headers) {
        job.headers.push_back({.key = header->key, .value = header->value});
    }
    return job;
}

RedriveJob from_wire(const wire::RedriveSpecT& spec) {
    RedriveJob job;
    wire::copy_letter_query(spec, job.query);
    wire::copy_redrive(spec, job);
    return job;
}

JobProgress from_wire(const wire::JobProgressT& progress) {
    JobProgress made;
    wire::copy_job_progress(progress, made);
    made.share = progress.share;
    made.remaining_us = progress.remaining_us;
    return made;
}

JobDescription from_wire(const wire::JobT& job) {
    JobDescription made;
    wire::copy_job(job, made);
    made.replay = job.replay ? from_wire(*job.replay) : ReplayJob{};
    made.redrive = job.redrive ? from_wire(*job.redrive) : RedriveJob{};
    made.progress = job.progress ? from_wire(*job.progress) : JobProgress{};
    return made;
}

template <class Request>
JobDescription call(client::Core& core, Api api, Request request) {
    const auto answer = core.call<wire::JobAnswer>(api, std::move(request));
    return from_wire(client::require(answer.job, "job"));
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
        impl_->core->call_again<wire::JobListAnswer>(Api::job_list, wire::JobListRequestT{});
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
