#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "storage/base/result.hpp"

namespace millrace::wire {

/// Kafka's codec numbers, in the low three bits of a batch's attributes.
enum class Codec : std::uint8_t { none = 0, gzip = 1, snappy = 2, lz4 = 3, zstd = 4 };

/// "none", "lz4" or "zstd", those that `compress` knows; empty for others.
[[nodiscard]] std::string_view name_of(Codec codec);
[[nodiscard]] std::optional<Codec> find_codec(std::string_view name);

/// Errors: unsupported_version for codecs other than lz4 (frame format) and zstd; internal.
[[nodiscard]] Result<std::vector<std::byte>> compress(Codec codec,
                                                      std::span<const std::byte> bytes);
/// Errors: malformed, record_too_large when more than `bytes_max` would come out.
[[nodiscard]] Result<std::vector<std::byte>> decompress(Codec codec,
                                                        std::span<const std::byte> bytes,
                                                        std::size_t bytes_max);

}  // namespace millrace::wire
