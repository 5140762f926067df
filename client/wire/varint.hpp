#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "storage/base/result.hpp"

namespace millrace::wire {

namespace detail {
constexpr std::int64_t from_zigzag(std::uint64_t value) {
    return static_cast<std::int64_t>(value >> 1U) ^ -static_cast<std::int64_t>(value & 1U);
}
}  // namespace detail

/// Zigzag varints as in Protocol Buffers, at most ten bytes.
void append_varint(std::vector<std::byte>& out, std::int64_t value);
[[nodiscard]] std::size_t varint_bytes(std::int64_t value);

/// Reads through bytes that are not trusted. After the first failure `failed()` stays true and
/// every read gives 0 or nothing.
class ByteReader {
  public:
    explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    [[nodiscard]] std::int64_t read_varint() {
        const bool is_short = !rest_.empty() && (rest_.front() & long_bit) == std::byte{0};
        return is_short ? detail::from_zigzag(std::to_integer<std::uint64_t>(read_byte()))
                        : read_long_varint();
    }
    [[nodiscard]] std::byte read_byte() {
        const auto bytes = read_bytes(1);
        return bytes.empty() ? std::byte{0} : bytes.front();
    }
    [[nodiscard]] std::span<const std::byte> read_bytes(std::size_t count) {
        if (failed_ || count > rest_.size()) {
            fail();
            return {};
        }
        const auto bytes = rest_.first(count);
        rest_ = rest_.subspan(count);
        return bytes;
    }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] std::size_t rest_bytes() const { return rest_.size(); }

  private:
    static constexpr std::byte long_bit{0x80};

    [[nodiscard]] std::int64_t read_long_varint();
    /// Nothing is left to read behind a failure.
    void fail() {
        failed_ = true;
        rest_ = {};
    }

    std::span<const std::byte> rest_;
    bool failed_ = false;
};

}  // namespace millrace::wire
