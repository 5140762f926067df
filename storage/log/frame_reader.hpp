#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>

#include "storage/io/aligned_buffer.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage {

/// Reads a file front to back through a window.
class FileWindow {
  public:
    static constexpr std::size_t window_bytes = 4_MiB;  ///< two of the largest commits

    /// Nothing from `end` on is looked at.
    FileWindow(File& file, std::uint64_t end)
        : file_(file),
          end_(end),
          memory_(align_up(std::min<std::uint64_t>(end, window_bytes), disk_alignment)) {}

    /// `bytes` at `at`, fewer at the end. **Requires** no more than the window holds, and `at`
    /// aligned. Errors: io.
    [[nodiscard]] Result<std::span<const std::byte>> at(std::uint64_t at, std::size_t bytes);

  private:
    File& file_;
    std::uint64_t end_;
    AlignedBuffer memory_;
    std::uint64_t base_ = 0;
    std::size_t filled_ = 0;
};

/// Reads frames again whose places are known, so that nobody has to keep what is in them.
///
/// Place:    below the store; what recovery found a while ago is asked for, in the order of the
/// log. Threads:  the shard's, which it blocks.
class FrameReader {
  public:
    explicit FrameReader(const SegmentFiles& files) : files_(files) {}

    /// The payload, valid until the next call. Errors: not_found where its segment was recycled or
    /// rewritten; io; corrupt.
    [[nodiscard]] Result<std::span<const std::byte>> read(FramePlace place,
                                                          std::size_t payload_bytes);
    /// Lets go of the segment that was read last.
    void rest() { open_.reset(); }

  private:
    struct Open {
        Segment segment;
        FileWindow window;
    };
    const SegmentFiles& files_;
    std::optional<Open> open_;
};

}  // namespace millrace::storage
