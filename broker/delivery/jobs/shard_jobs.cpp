#include "broker/delivery/jobs/shard_jobs.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/catalog/replay_topic.hpp"
#include "broker/delivery/commands.hpp"
#include "client/expressions/jq_program.hpp"
#include "client/wire/topic_pattern.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t filters_max = 100;  ///< topics and headers of a replay, each
constexpr std::size_t job_bytes_max = std::size_t{64} * 1024;  ///< of any command about it
constexpr std::size_t last_error_bytes_max = 4096;             ///< the rest is left out

Error refuse(std::string text) {
    return fail(Errc::invalid_argument, std::move(text));
}

Error unknown(std::uint64_t id) {
    return fail(Errc::not_found, "there is no job " + std::to_string(id));
}

Result<void> check_size(const std::vector<std::byte>& command, const std::string& what) {
    if (command.size() > job_bytes_max) {
        return refuse(what + " has " + std::to_string(command.size()) +
                      " bytes, limit job_bytes_max is " + std::to_string(job_bytes_max));
    }
    return ok();
}

Result<void> check_program(const std::string& name, const std::string& program) {
    if (program.empty()) {
        return ok();
    }
    if (const auto compiled = expressions::JqProgram::compile(program); !compiled) {
        return refuse(name + ": " + compiled.error().text);
    }
    return ok();
}

bool is_rate(double rate) {
    return std::isfinite(rate) && rate >= 0;
}

Result<void> check_target(const ReplaySpec& spec) {
    const bool has_topic = !spec.to_topic.empty();
    const bool has_subscription = !spec.to_subscription.empty();
    if (has_topic && has_subscription) {
        return refuse("a replay has one target: a topic or a subscription");
    }
    if (!has_topic && !has_subscription && !spec.is_dry_run) {
        return refuse("a replay needs a target: a topic or a subscription");
    }
    return ok();
}

Result<void> check_replay(const ReplaySpec& spec) {
    if (spec.topics.empty() || spec.topics.size() > filters_max ||
        spec.headers.size() > filters_max) {
        return refuse("a replay has 1 to " + std::to_string(filters_max) +
                      " topics or patterns, and at most as many headers");
    }
    const auto bad = std::ranges::find_if_not(
        spec.topics, [](const auto& pattern) { return wire::is_topic_pattern(pattern); });
    if (bad != spec.topics.end()) {
        return refuse("\"" + *bad + "\" is not a topic name or pattern");
    }
    if (spec.from_us >= spec.to_us) {
        return refuse("the window is empty: it begins at " + std::to_string(spec.from_us) +
                      " us and ends at " + std::to_string(spec.to_us) + " us");
    }
    if (!is_rate(spec.records_per_second) || !is_rate(spec.time_scale) ||
        (spec.records_per_second > 0 && spec.time_scale > 0)) {
        return refuse("a speed is records a second, or how many times the original's");
    }
    MILLRACE_TRY(check_target(spec));
    return check_program("where", spec.where);
}

Result<void> check_redrive(const RedriveSpec& spec) {
    if (!is_rate(spec.records_per_second)) {
        return refuse("a rate is a number of records a second");
    }
    if (!(spec.failure_share_max >= 0 && spec.failure_share_max <= 1)) {
        return refuse("the failure share is a number from 0 to 1");
    }
    MILLRACE_TRY(check_program("where", spec.query.where));
    return check_program("transform", spec.transform);
}

Result<void> check_subscription(const CatalogView& view, const std::string& name) {
    if (!view.subscriptions.contains(name)) {
        return fail(Errc::unknown_subscription, "subscription \"" + name + "\" does not exist");
    }
    return ok();
}

/// A subscription waits for topics to come; a replay has only those that are there.
Result<void> check_topics(const CatalogView& view, const std::vector<std::string>& patterns) {
    const auto unmatched = std::ranges::find_if(
        patterns, [&](const auto& pattern) { return view.matching({pattern}).empty(); });
    if (unmatched != patterns.end()) {
        return fail(Errc::unknown_topic, "no topic matches \"" + *unmatched + "\"");
    }
    return ok();
}

}  // namespace

Result<void> check_job(const Job& job) {
    return job.kind == JobKind::replay ? check_replay(job.replay) : check_redrive(job.redrive);
}

Result<void> ShardJobs::restore(storage::ShardStore& store) {
    store_.emplace(store);
    return store_->restore();
}

void ShardJobs::apply(const JobCommand& command) {
    const auto applied = store_->apply(command);
    if (applied.has_new_state && listener_) {
        listener_(*applied.job);
    }
}

std::vector<Job> ShardJobs::list() const {
    std::vector<Job> all;
    for (const auto& [id, job] : store_->jobs()) {
        all.push_back(job);
    }
    return all;
}

Result<Job> ShardJobs::show(std::uint64_t id) const {
    const auto* const job = store_->find(id);
    return job == nullptr ? Result<Job>(unknown(id)) : Result<Job>(*job);
}

Result<void> ShardJobs::check(const Job& job) const {
    MILLRACE_TRY(check_job(job));
    if (store_->open_count() >= JobStore::jobs_open_max) {
        return fail(Errc::limit_reached,
                    "limit jobs_open_max of " + std::to_string(JobStore::jobs_open_max) +
                        " is reached: cancel jobs, or wait until some are done");
    }
    const auto view = shard_.catalog().view();
    if (job.kind == JobKind::redrive) {
        return check_subscription(*view, job.redrive.query.subscription);
    }
    MILLRACE_TRY(check_topics(*view, job.replay.topics));
    if (!job.replay.to_subscription.empty()) {
        MILLRACE_TRY(check_subscription(*view, job.replay.to_subscription));
        if (!wire::is_topic_name(replay_topic_of(job.replay.to_subscription))) {
            return refuse("the name of subscription \"" + job.replay.to_subscription +
                          "\" is too long for a replay");
        }
    }
    if (!job.replay.to_topic.empty() && !view->topics.contains(job.replay.to_topic)) {
        return fail(Errc::unknown_topic, "topic \"" + job.replay.to_topic + "\" does not exist");
    }
    return ok();
}

void ShardJobs::create(Job job, JobDone done) {
    if (const auto checked = check(job); !checked) {
        done(checked.error());
        return;
    }
    job.id = store_->take_id();
    job.state = JobState::running;
    job.created_us = shard_.runtime().clock().unix_now();
    job.changed_us = job.created_us;
    job.changed_by = job.by;
    job.progress = {};
    auto command =
        format_command(JobCommand{.id = job.id, .created = job, .progress = {}, .change = {}});
    if (const auto fits = check_size(command, "a job's description"); !fits) {
        done(fits.error());
        return;
    }
    shard_.propose(std::move(command),
                   [this, id = job.id, done = std::move(done)](const Result<void>& applied) {
                       done(applied ? show(id) : Result<Job>(applied.error()));
                   });
}

void ShardJobs::change(std::uint64_t id, JobChange change, JobDone done) {
    const auto* const job = store_->find(id);
    if (job == nullptr) {
        done(unknown(id));
        return;
    }
    if (!may_change(job->state, change.state)) {
        done(fail(Errc::conflict,
                  "job " + std::to_string(id) + " is " + std::string(name_of(job->state)) +
                      ", which can't become " + std::string(name_of(change.state))));
        return;
    }
    change.time_us = shard_.runtime().clock().unix_now();
    auto command = format_command(
        JobCommand{.id = id, .created = {}, .progress = {}, .change = std::move(change)});
    if (const auto fits = check_size(command, "a change of a job"); !fits) {
        done(fits.error());
        return;
    }
    shard_.propose(std::move(command),
                   [this, id, done = std::move(done)](const Result<void>& applied) {
                       done(applied ? show(id) : Result<Job>(applied.error()));
                   });
}

void ShardJobs::commit(std::uint64_t id,
                       JobProgress progress,
                       std::function<void(Result<void>)> done) {
    progress.last_error.resize(std::min(progress.last_error.size(), last_error_bytes_max));
    shard_.propose(format_command(JobCommand{
                       .id = id, .created = {}, .progress = std::move(progress), .change = {}}),
                   std::move(done));
}

void ShardJobs::watch(std::function<void(const Job& job)> listener) {
    listener_ = std::move(listener);
    for (const auto& [id, job] : store_->jobs()) {
        listener_(job);
    }
}

}  // namespace millrace::broker::delivery
