#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace millrace::fuzz {

inline constexpr std::uint64_t hash_seed = 0x5eed;
inline constexpr std::uint64_t writer_epoch = 1;

/// Bits of an input's first byte: which checksums are made to fit, so that the fuzzer gets behind
/// them.
inline constexpr std::uint8_t repair_commits = 1;
inline constexpr std::uint8_t repair_frames = 2;
inline constexpr std::uint8_t repair_segment = 4;

/// Each leaves bytes alone that are too few.
void repair_segment_checksum(std::span<std::byte> segment);
void repair_commit_checksum(std::span<std::byte> commit);
/// Of up to `count` frames one behind the other from `at`, as far as they say how long they are.
void repair_frame_checksums(std::span<std::byte> bytes,
                            std::size_t at,
                            std::uint32_t count,
                            std::uint64_t seed);

/// A segment with a valid header. The input is a byte of repairs, then chunks of (length of two
/// bytes, bytes), each of which comes to lie at the next multiple of 4096.
[[nodiscard]] std::vector<std::byte> build_segment(std::span<const std::byte> input);

}  // namespace millrace::fuzz
