#pragma once

#include <cstdint>
#include <functional>

namespace millrace::simulation {

/// The value of an environment variable; null: it is not set.
[[nodiscard]] const char* setting(const char* name);

/// How many seeds a test runs, as MILLRACE_TEST_PROFILE says.
struct SeedCounts {
    std::uint64_t fast = 0;
    std::uint64_t in_long = 0;
};

/// Runs worlds that a seed decides: those of MILLRACE_SEED=7 or MILLRACE_SEED=7-2000, else from 1
/// on as many as the profile says, up to the first that fails. Returns how many ran.
///
/// A seed that ends the process by a signal is printed. Of a range that was asked for the progress
/// is printed.
std::uint64_t for_each_seed(const SeedCounts& counts,
                            const std::function<void(std::uint64_t)>& run);

}  // namespace millrace::simulation
