#include <optional>

#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/jobs/jobs.hpp"
#include "broker/protocol/jobs/job_messages.hpp"
#include "broker/protocol/session.hpp"

namespace millrace::broker::protocol {
namespace {

using delivery::Job;
using delivery::JobState;

constexpr ShardId owner{0};

/// Answers with the job as it is now.
auto answer_job(const Request& request) {
    return [session = request.session, header = request.header](const Result<Job>& job) {
        if (!job) {
            session->refuse(header, job.error());
            return;
        }
        wire::JobAnswerT answer;
        answer.job = to_wire(job.value());
        session->answer(header, answer);
    };
}

void create(const Request& request) {
    const auto parsed = wire::parse_message<wire::JobCreateRequest>(request.table);
    auto job = parsed ? job_of(parsed.value()) : Result<Job>(parsed.error());
    if (!job) {
        request.refuse(job.error());
        return;
    }
    start_on<Result<Job>>(
        request.session->table(),
        request.session->shard_id(),
        owner,
        [job = std::move(job).value()](const ShardServices& services, const auto& done) {
            services.delivery->jobs().create(job, done);
        },
        answer_job(request));
}

void list_jobs(const Request& request) {
    if (const auto parsed = wire::parse_message<wire::JobListRequest>(request.table); !parsed) {
        request.refuse(parsed.error());
        return;
    }
    call_on(
        request.session->table(),
        request.session->shard_id(),
        owner,
        [](const ShardServices& services) { return services.delivery->jobs().list(); },
        [session = request.session, header = request.header](const std::vector<Job>& jobs) {
            wire::JobListAnswerT answer;
            for (const auto& job : jobs) {
                answer.jobs.push_back(to_wire(job));
            }
            session->answer(header, answer);
        });
}

void show_job(const Request& request) {
    const auto parsed = wire::parse_message<wire::JobShowRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    start_on<Result<Job>>(
        request.session->table(),
        request.session->shard_id(),
        owner,
        [id = parsed.value().id](const ShardServices& services, const auto& done) {
            done(services.delivery->jobs().show(id));
        },
        answer_job(request));
}

std::optional<JobState> state_after(wire::JobAction action) {
    switch (action) {
        case wire::JobAction::pause:
            return JobState::paused;
        case wire::JobAction::resume:
            return JobState::running;
        case wire::JobAction::cancel:
            return JobState::cancelled;
    }
    return std::nullopt;
}

void control(const Request& request) {
    const auto parsed = wire::parse_message<wire::JobControlRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto& message = parsed.value();
    const auto state = state_after(message.action);
    if (!state) {
        request.refuse(fail(Errc::invalid_argument, "unknown action"));
        return;
    }
    const delivery::JobChange change{
        .state = *state, .reason = message.reason, .by = message.by, .time_us = 0};
    start_on<Result<Job>>(
        request.session->table(),
        request.session->shard_id(),
        owner,
        [id = message.id, change](const ShardServices& services, const auto& done) {
            services.delivery->jobs().change(id, change, done);
        },
        answer_job(request));
}

}  // namespace

void handle_jobs(const Request& request) {
    switch (static_cast<wire::Api>(request.header.api)) {
        case wire::Api::job_create:
            return create(request);
        case wire::Api::job_list:
            return list_jobs(request);
        case wire::Api::job_show:
            return show_job(request);
        default:
            return control(request);
    }
}

}  // namespace millrace::broker::protocol
