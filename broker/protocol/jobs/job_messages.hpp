#pragma once

#include <memory>

#include "broker/delivery/jobs/jobs.hpp"
#include "client/wire/schema/jobs_generated.h"

namespace millrace::broker::protocol {

[[nodiscard]] std::unique_ptr<wire::JobT> to_wire(const delivery::Job& job);
/// Errors: invalid_argument where the request names no job, or two.
[[nodiscard]] Result<delivery::Job> job_of(const wire::JobCreateRequestT& request);

}  // namespace millrace::broker::protocol
