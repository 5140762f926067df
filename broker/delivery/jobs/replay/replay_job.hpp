#pragma once

#include "broker/delivery/jobs/job_control.hpp"
#include "broker/delivery/jobs/job_shards.hpp"

namespace millrace::broker::delivery {

/// Runs a replay to its end, or until the control says stop. Records go out in chunks; progress is
/// committed behind each, so after a crash at most one chunk goes out again.
///
/// Threads:  a job's.
[[nodiscard]] JobEnd run_replay(const Job& job, JobShards& shards, JobControl& control);

}  // namespace millrace::broker::delivery
