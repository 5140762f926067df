#pragma once

#include <vector>

#include <nlohmann/json.hpp>

#include "client/cli/app/session.hpp"
#include "client/cli/text/enum_names.hpp"
#include "millrace/jobs.hpp"

namespace millrace::cli {

inline constexpr Names<JobKind, 2> job_kind_names{
    {{"replay", JobKind::replay}, {"redrive", JobKind::redrive}}};
inline constexpr Names<JobState, 5> job_state_names{{{"running", JobState::running},
                                                     {"paused", JobState::paused},
                                                     {"done", JobState::done},
                                                     {"failed", JobState::failed},
                                                     {"cancelled", JobState::cancelled}}};
inline constexpr Names<ReplayBy, 2> replay_by_names{
    {{"append", ReplayBy::append}, {"event", ReplayBy::event}}};

[[nodiscard]] nlohmann::ordered_json to_json(const JobDescription& job);
void print_jobs(Session& session, const std::vector<JobDescription>& jobs);
void print_job(Session& session, const JobDescription& job);

/// Waits until a job is over or paused, with progress, and says how it went. `partly` for one that
/// is paused or cancelled, `refused` for one that failed.
[[nodiscard]] ExitCode wait_for_job(Session& session, std::uint64_t id);

}  // namespace millrace::cli
