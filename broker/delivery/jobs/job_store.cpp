#include "broker/delivery/jobs/job_store.hpp"

#include <algorithm>
#include <cstdio>
#include <span>
#include <string>

#include "broker/delivery/commands.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::string_view row_prefix = "j/";

std::string key_of(std::uint64_t id) {
    return std::string(row_prefix) + std::to_string(id);
}

std::string format_row(const Job& job) {
    const auto bytes =
        format_command(JobCommand{.id = job.id, .created = job, .progress = {}, .change = {}});
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Result<Job> parse_row(std::string_view row) {
    MILLRACE_TRY(auto command, parse_command(std::as_bytes(std::span(row))));
    auto* const parsed = std::get_if<JobCommand>(&command);
    if (parsed == nullptr || !parsed->created) {
        return fail(Errc::corrupt, "delivery: a job's row holds something else");
    }
    return std::move(*parsed->created);
}

}  // namespace

Result<void> JobStore::restore() {
    jobs_.clear();
    last_id_ = 0;
    return store_.visit_state(row_prefix, "", [this](std::string_view key, std::string_view value) {
        auto job = parse_row(value);
        if (!job) {
            log_error("delivery", "job " + std::string(key) + ": " + job.error().text);
            return true;
        }
        const auto id = job.value().id;
        last_id_ = std::max(last_id_, id);
        jobs_[id] = std::move(job).value();
        return true;
    });
}

JobStore::Applied JobStore::apply(const JobCommand& command) {
    last_id_ = std::max(last_id_, command.id);
    Applied applied;
    if (command.created) {
        auto& job = jobs_[command.id];
        job = *command.created;
        job.id = command.id;
        applied.has_new_state = true;
    }
    const auto found = jobs_.find(command.id);
    if (found == jobs_.end()) {
        return applied;
    }
    auto& job = found->second;
    if (command.progress) {
        job.progress = *command.progress;
    }
    if (command.change && may_change(job.state, command.change->state)) {
        job.state = command.change->state;
        job.reason = command.change->reason;
        job.changed_by = command.change->by;
        job.changed_us = command.change->time_us;
        applied.has_new_state = true;
    }
    applied.job = job;
    put(job);
    if (applied.has_new_state) {
        drop_oldest();
    }
    return applied;
}

void JobStore::put(const Job& job) {
    store_.put_state(key_of(job.id), format_row(job));
}

void JobStore::drop_oldest() {
    auto over = jobs_.size() - open_count();
    for (auto at = jobs_.begin(); over > jobs_kept_max && at != jobs_.end();) {
        if (is_open(at->second.state)) {
            ++at;
            continue;
        }
        store_.erase_state(key_of(at->first));
        at = jobs_.erase(at);
        --over;
    }
}

const Job* JobStore::find(std::uint64_t id) const {
    const auto found = jobs_.find(id);
    return found == jobs_.end() ? nullptr : &found->second;
}

std::size_t JobStore::open_count() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        jobs_, [](const auto& entry) { return is_open(entry.second.state); }));
}

}  // namespace millrace::broker::delivery
