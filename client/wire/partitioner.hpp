#pragma once

#include <cstdint>
#include <string_view>

namespace millrace::wire {

/// The partition index of a key: XXH3-64 modulo the count. The same in every client. **Requires** a
/// count above 0.
[[nodiscard]] std::uint32_t partition_of_key(std::string_view key, std::uint32_t partition_count);

/// A hash that is the same on every machine and in every version.
[[nodiscard]] std::uint64_t stable_hash(std::string_view text);

}  // namespace millrace::wire
