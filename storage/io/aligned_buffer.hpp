#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace millrace::storage {

/// Nobody has written there: files of the log are made of zeros.
[[nodiscard]] inline bool is_clear(std::span<const std::byte> bytes) {
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

/// Memory that O_DIRECT accepts. Not zeroed.
class AlignedBuffer {
  public:
    static constexpr std::size_t alignment = 4096;

    AlignedBuffer() = default;
    /// **Requires** a multiple of `alignment`.
    explicit AlignedBuffer(std::size_t bytes)
        : memory_(static_cast<std::byte*>(std::aligned_alloc(alignment, bytes))), bytes_(bytes) {
        if (memory_ == nullptr) {
            throw std::bad_alloc();
        }
    }

    [[nodiscard]] std::span<std::byte> span() { return {memory_.get(), bytes_}; }
    [[nodiscard]] std::span<const std::byte> span() const { return {memory_.get(), bytes_}; }
    [[nodiscard]] std::size_t size() const { return bytes_; }

  private:
    struct Free {
        void operator()(std::byte* memory) const {
            std::free(memory);
        }  // NOLINT: from aligned_alloc
    };
    std::unique_ptr<std::byte, Free> memory_;
    std::size_t bytes_ = 0;
};

}  // namespace millrace::storage
