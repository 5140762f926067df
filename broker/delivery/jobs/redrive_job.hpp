#pragma once

#include "broker/delivery/jobs/job_control.hpp"
#include "broker/delivery/jobs/job_shards.hpp"

namespace millrace::broker::delivery {

/// Runs a redrive: the canary first, then the rest at its rate, one letter of a key at a time,
/// until all are settled. Too many failures end the canary as a failure and pause what follows it.
///
/// Threads:  a job's.
[[nodiscard]] JobEnd run_redrive(const Job& job, JobShards& shards, JobControl& control);

}  // namespace millrace::broker::delivery
