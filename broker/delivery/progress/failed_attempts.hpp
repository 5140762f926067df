#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "broker/delivery/subscriptions.hpp"

namespace millrace::broker::delivery {

/// Attempts of one record that failed for the same reason, one after another.
struct FailedAttempts {
    UnixMicros last_us = 0;
    std::uint32_t count = 1;
    Cause cause = Cause::none;
    std::string error;  ///< at most `failed_error_bytes_max`, the rest is left out
};

/// Reasons that are kept of one record; of more the newest.
inline constexpr std::size_t failed_reasons_max = 4;
inline constexpr std::size_t failed_error_bytes_max = 200;

/// Adds to the last reason when it is the same one, and is a new reason otherwise.
void note_failure(std::vector<FailedAttempts>& reasons, FailedAttempts failed);

/// Such as "3 times transient: could not serialize access".
[[nodiscard]] std::string describe(const FailedAttempts& failed);

}  // namespace millrace::broker::delivery
