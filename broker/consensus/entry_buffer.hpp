#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace millrace::broker::consensus {

/// Memory for an entry that will belong to libraft: written by the proposer, never copied again
/// before the log.
class EntryBuffer {
  public:
    /// What libraft carries before the payload and the log keeps in the frame's header instead.
    struct Prefix {
        std::uint16_t type = 0;
        std::uint16_t reserved = 0;
        std::uint32_t batch_count = 0;
    };

    EntryBuffer() = default;
    EntryBuffer(EntryBuffer&& other) noexcept;
    EntryBuffer& operator=(EntryBuffer&& other) noexcept;
    EntryBuffer(const EntryBuffer&) = delete;
    EntryBuffer& operator=(const EntryBuffer&) = delete;
    ~EntryBuffer();

    /// Appends room for `bytes` and returns it, not zeroed; 8-byte aligned as long as all appends
    /// are multiples of 8. Spans returned earlier are invalid afterwards.
    [[nodiscard]] std::span<std::byte> extend(std::size_t bytes);
    [[nodiscard]] std::span<const std::byte> payload() const;
    [[nodiscard]] std::size_t size_bytes() const { return size_; }
    [[nodiscard]] bool is_empty() const { return size_ == 0; }

  private:
    friend class Group;
    friend class GroupIo;
    void set_prefix(const Prefix& prefix);
    [[nodiscard]] std::byte* release();

    std::byte* data_ = nullptr;  ///< from raft_malloc, with the prefix in front
    std::size_t size_ = 0;       ///< of the payload
    std::size_t capacity_ = 0;
};

}  // namespace millrace::broker::consensus
