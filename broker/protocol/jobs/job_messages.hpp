#pragma once

#include <memory>

#include "broker/delivery/jobs/jobs.hpp"
#include "client/wire/schema/jobs_generated.h"

namespace millrace::broker::protocol {

[[nodiscard]] std::unique_ptr<wire::JobT> to_wire(const delivery::Job& job);
/// Errors: invalid_argument where the request names no job, or two.
[[nodiscard]] Result<delivery::Job> job_of(const wire::JobCreateRequestT& request);

/// How much of a job is done, from 0 to 1; below 0 where nobody knows.
[[nodiscard]] double share_of(const delivery::Job& job);

}  // namespace millrace::broker::protocol
