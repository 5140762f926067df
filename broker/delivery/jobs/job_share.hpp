#pragma once

#include <cstdint>
#include <optional>

#include "broker/delivery/jobs/jobs.hpp"

namespace millrace::broker::delivery {

/// How much of a job is done, from 0 to 1; below 0 where nobody knows.
[[nodiscard]] double share_of(const Job& job);
/// How long it will take at the pace so far; nothing where nobody knows or it is over.
[[nodiscard]] std::optional<std::int64_t> remaining_us_of(const Job& job);

}  // namespace millrace::broker::delivery
