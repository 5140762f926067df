#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "storage/base/result.hpp"

namespace millrace::storage {

/// How fast a job beside live traffic reads and writes, and when it is to stop.
///
/// Threads:  the job's, which it blocks; the flag any.
class Pace {
  public:
    /// `bytes_per_second` 0: as fast as it can.
    Pace(std::uint64_t bytes_per_second, const std::atomic<bool>& is_stopping)
        : bytes_per_second_(bytes_per_second), is_stopping_(is_stopping) {}

    /// Rests until so many more bytes fit. Errors: shutting_down.
    [[nodiscard]] Result<void> spend(std::uint64_t bytes);

  private:
    std::uint64_t bytes_per_second_;
    const std::atomic<bool>& is_stopping_;
    std::uint64_t spent_ = 0;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace millrace::storage
