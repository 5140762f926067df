#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/base/result.hpp"

namespace millrace::wire {

/// Zigzag varints as in Protocol Buffers, at most ten bytes.
void append_varint(std::vector<std::byte>& out, std::int64_t value);
[[nodiscard]] std::size_t varint_bytes(std::int64_t value);

/// Reads through bytes that are not trusted. After the first failure `failed()` stays true and
/// every read gives 0 or nothing.
class ByteReader {
  public:
    explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    [[nodiscard]] std::int64_t read_varint();
    [[nodiscard]] std::byte read_byte();
    [[nodiscard]] std::span<const std::byte> read_bytes(std::size_t count);
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] std::size_t rest_bytes() const { return rest_.size(); }

  private:
    /// Nothing is left to read behind a failure.
    void fail() {
        failed_ = true;
        rest_ = {};
    }

    std::span<const std::byte> rest_;
    bool failed_ = false;
};

}  // namespace millrace::wire
