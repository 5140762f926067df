#pragma once

#include <cstdint>
#include <span>

#include "storage/base/units.hpp"
#include "storage/io/aligned_buffer.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// Reads a file of which some blocks may not be readable: these are zeros.
class DamagedFile {
  public:
    static constexpr std::size_t window_bytes = 4_MiB;

    /// Nothing from `end` on, which is a whole block, is looked at.
    DamagedFile(File& file, std::uint64_t end) : file_(file), end_(end), memory_(window_bytes) {}

    /// `bytes` at `at`, fewer at the end; valid until the next call. **Requires** whole blocks, no
    /// more than the window holds. Errors: io, where there are many such blocks.
    [[nodiscard]] Result<std::span<const std::byte>> at(std::uint64_t at, std::size_t bytes);
    /// Read so far.
    [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

  private:
    [[nodiscard]] Result<void> fill(std::uint64_t at);
    [[nodiscard]] Result<void> read_blocks(std::uint64_t at, std::span<std::byte> out);

    File& file_;
    std::uint64_t end_;
    AlignedBuffer memory_;
    std::uint64_t base_ = 0;
    std::size_t filled_ = 0;
    std::uint64_t bytes_read_ = 0;
    int unreadable_ = 0;
};

}  // namespace millrace::storage
