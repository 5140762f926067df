#pragma once

#include <cstddef>

namespace millrace {

inline namespace literals {
constexpr std::size_t operator""_KiB(unsigned long long count) {
    return static_cast<std::size_t>(count) << 10U;
}
constexpr std::size_t operator""_MiB(unsigned long long count) {
    return static_cast<std::size_t>(count) << 20U;
}
constexpr std::size_t operator""_GiB(unsigned long long count) {
    return static_cast<std::size_t>(count) << 30U;
}
}  // namespace literals

/// The smallest multiple of `alignment` (a power of two) that is not below `bytes`.
[[nodiscard]] constexpr std::size_t align_up(std::size_t bytes, std::size_t alignment) {
    return (bytes + alignment - 1) & ~(alignment - 1);
}

/// The largest multiple of `alignment` (a power of two) that is not above `bytes`.
[[nodiscard]] constexpr std::size_t align_down(std::size_t bytes, std::size_t alignment) {
    return bytes & ~(alignment - 1);
}

}  // namespace millrace
