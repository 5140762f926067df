#pragma once

#include <optional>
#include <string>

#include "client/cli/app/options.hpp"
#include "client/cli/commands/letter_commands.hpp"
#include "millrace/jobs.hpp"

namespace millrace::cli {

/// The family `job`.
void add_job_commands(Registry& registry);
/// `ls`, `show`, `pause`, `resume`, `cancel` and `wait` of jobs of one kind, or of all.
void add_job_controls(Registry& registry, std::optional<JobKind> kind);
/// `replay create`.
void add_replay_create(Registry& registry);

/// What a new job says of itself, and waiting for it.
enum class JobWait { no, yes };
[[nodiscard]] ExitCode announce_job(Session& session, const JobDescription& job, JobWait wait);

}  // namespace millrace::cli
