#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

/// What libFuzzer, or replay_main.cpp, calls with each input.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace millrace::fuzz {

/// Ends the program where a parser broke its promise.
inline void check(bool holds, const char* promise) {
    if (!holds) {
        (void)std::fprintf(stderr, "fuzz check failed: %s\n", promise);
        std::abort();
    }
}

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
    return std::as_bytes(std::span(data, size));
}

/// Takes the byte at the front, 0 where there is none.
inline std::uint8_t take_byte(std::span<const std::byte>& rest) {
    if (rest.empty()) {
        return 0;
    }
    const auto first = std::to_integer<std::uint8_t>(rest.front());
    rest = rest.subspan(1);
    return first;
}

}  // namespace millrace::fuzz
