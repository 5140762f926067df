#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "storage/base/result.hpp"
#include "storage/format/layout.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// Reads the commits of a segment's file from the first one on, to where one does not verify.
/// Stricter than recovery, which steps over damage: here every commit is to follow the one before
/// and have all its frames.
///
/// Threads:  any, one at a time; blocks.
class SegmentCheck {
  public:
    SegmentCheck(File& file, const SegmentHeader& header) : file_(file), header_(header) {}

    /// Goes on from where it ended before, for the file may have grown; nothing from `end` on is
    /// looked at. Errors: io, shutting_down.
    [[nodiscard]] Result<void> go_on(std::uint64_t end, const std::atomic<bool>& is_stopping);
    /// Where the last commit ends that verifies.
    [[nodiscard]] std::uint64_t verified_bytes() const { return verified_bytes_; }

  private:
    [[nodiscard]] bool is_next(const CommitHeader& commit) const;

    File& file_;
    SegmentHeader header_;
    std::uint64_t verified_bytes_ = disk_alignment;
    std::optional<CommitSequence> last_;
};

}  // namespace millrace::storage
