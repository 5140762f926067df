#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

#include <sys/mman.h>

#include "storage/base/units.hpp"

namespace millrace::storage {

/// Nobody has written there: files of the log are made of zeros.
[[nodiscard]] inline bool is_clear(std::span<const std::byte> bytes) {
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

/// Memory that O_DIRECT accepts. Not zeroed. Whole huge pages lie in such, where the system has
/// any: to the disk each is one piece instead of 512.
class AlignedBuffer {
  public:
    static constexpr std::size_t alignment = 4096;
    static constexpr std::size_t huge_page_bytes = 2_MiB;

    AlignedBuffer() = default;
    /// **Requires** a multiple of `alignment`.
    explicit AlignedBuffer(std::size_t bytes) : memory_(allocate(bytes)), bytes_(bytes) {
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
    static std::byte* allocate(std::size_t bytes) {
        const bool is_huge = bytes > 0 && bytes % huge_page_bytes == 0;
        void* const memory = std::aligned_alloc(is_huge ? huge_page_bytes : alignment, bytes);
        if (is_huge && memory != nullptr) {
            (void)::madvise(memory, bytes, MADV_HUGEPAGE);  // costs speed only where it fails
        }
        return static_cast<std::byte*>(memory);
    }

    std::unique_ptr<std::byte, Free> memory_;
    std::size_t bytes_ = 0;
};

}  // namespace millrace::storage
