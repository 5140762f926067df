#pragma once

#include <array>
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

namespace millrace {

namespace detail {
template <std::integral T>
constexpr T swap_bytes(T value) {
    auto bytes = std::bit_cast<std::array<std::byte, sizeof(T)>>(value);
    for (std::size_t i = 0; i < sizeof(T) / 2; ++i) {
        std::swap(bytes[i], bytes[sizeof(T) - 1 - i]);
    }
    return std::bit_cast<T>(bytes);
}
}  // namespace detail

/// Reads an integer of little-endian bytes. **Requires** `bytes.size() >= sizeof(T)`.
template <std::integral T>
[[nodiscard]] T load_le(std::span<const std::byte> bytes) {
    T value{};
    std::memcpy(&value, bytes.data(), sizeof(T));
    return std::endian::native == std::endian::little ? value : detail::swap_bytes(value);
}

/// Reads an integer of big-endian bytes. **Requires** `bytes.size() >= sizeof(T)`.
template <std::integral T>
[[nodiscard]] T load_be(std::span<const std::byte> bytes) {
    T value{};
    std::memcpy(&value, bytes.data(), sizeof(T));
    return std::endian::native == std::endian::big ? value : detail::swap_bytes(value);
}

/// Writes an integer as little-endian bytes. **Requires** `bytes.size() >= sizeof(T)`.
template <std::integral T>
void store_le(std::span<std::byte> bytes, T value) {
    value = std::endian::native == std::endian::little ? value : detail::swap_bytes(value);
    std::memcpy(bytes.data(), &value, sizeof(T));
}

/// Writes an integer as big-endian bytes. **Requires** `bytes.size() >= sizeof(T)`.
template <std::integral T>
void store_be(std::span<std::byte> bytes, T value) {
    value = std::endian::native == std::endian::big ? value : detail::swap_bytes(value);
    std::memcpy(bytes.data(), &value, sizeof(T));
}

/// **Requires** `to.size() >= from.size()`, and no overlap. What std::ranges::copy makes of spans
/// of bytes is, with libstdc++ 12, a loop that moves one at a time.
inline void copy_bytes(std::span<const std::byte> from, std::span<std::byte> to) {
    if (!from.empty()) {
        std::memcpy(to.data(), from.data(), from.size());
    }
}

/// A part of memory that others hold parts of, too, and that nobody changes any more. Copies share
/// it; it goes with the last of them.
///
/// Threads:  each holder its own; the memory is only read.
class SharedBytes {
  public:
    SharedBytes() = default;
    /// **Requires** `bytes` within what `owner` keeps.
    SharedBytes(std::shared_ptr<const void> owner, std::span<const std::byte> bytes)
        : owner_(std::move(owner)), bytes_(bytes) {}

    // NOLINTNEXTLINE(google-explicit-constructor): what it is to all who read it
    operator std::span<const std::byte>() const { return bytes_; }
    [[nodiscard]] std::span<const std::byte> span() const { return bytes_; }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] bool empty() const { return bytes_.empty(); }

    /// Takes in what lies right behind it in the same memory; false where `next` does not.
    bool join(const SharedBytes& next) {
        const bool is_next =
            owner_ == next.owner_ && bytes_.data() + bytes_.size() == next.bytes_.data();
        if (is_next) {
            bytes_ = {bytes_.data(), bytes_.size() + next.bytes_.size()};
        }
        return is_next;
    }

  private:
    std::shared_ptr<const void> owner_;
    std::span<const std::byte> bytes_;
};

}  // namespace millrace
