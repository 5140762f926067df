#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "storage/base/clock.hpp"
#include "storage/base/result.hpp"
#include "storage/base/units.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Everything on disk starts on, and is padded to, this many bytes.
inline constexpr std::size_t disk_alignment = 4096;
inline constexpr std::uint32_t format_version = 2;

/// The first 4096 bytes of a segment. Little-endian:
///
///     at  bytes  field                       at  bytes  field
///      0      8  magic "MILLSEG1"             40      8  created_us
///      8      4  version                      48      8  hash_seed: random at each use of the file
///     12      4  header_bytes, 4096           56      4  alignment, 4096
///     16      8  segment_sequence             60      4  reserved, 0
///     24      4  shard                        64      8  XXH3-64 of bytes 0 to 63
///     28      4  order_block                  72         zeros
///     32      8  writer_epoch
///
/// `order_block` is 0 in a segment as it was appended, version 1. In one that was rewritten,
/// version 2, the frames with the append order begin in that block of 4096 bytes.
///
/// Valid if and only if magic, version, sizes and checksum fit.
struct SegmentHeader {
    SegmentSequence sequence;
    ShardId shard;
    std::uint64_t writer_epoch = 0;
    UnixMicros created_us = 0;
    std::uint64_t hash_seed = 0;
    std::uint32_t order_block = 0;
    [[nodiscard]] bool is_rewritten() const { return order_block > 0; }
};
void store_segment_header(std::span<std::byte> out, const SegmentHeader& header);
/// Errors: corrupt, newer_format.
[[nodiscard]] Result<SegmentHeader> parse_segment_header(std::span<const std::byte> bytes);

/// What one turn appended: header, frames, zeros up to a multiple of 4096.
///
///     at  bytes  field                       at  bytes  field
///      0      8  checksum of bytes 8 to 63    32      8  append_time_us of the first frame
///      8      4  magic "CMT1"                 40      8  append_time_us of the last frame
///     12      4  total_bytes with padding     48     16  reserved, 0
///     16      8  commit_sequence
///     24      4  writer_epoch (low half)
///     28      4  frame_count
///
/// Checksums of commits and frames are XXH3-64 seeded with hash_seed + commit_sequence, so what a
/// recycled file holds of its earlier life never verifies.
struct CommitHeader {
    static constexpr std::size_t bytes = 64;
    std::uint32_t total_bytes = 0;
    CommitSequence sequence;
    std::uint32_t writer_epoch = 0;
    std::uint32_t frame_count = 0;
    UnixMicros first_time_us = 0;
    UnixMicros last_time_us = 0;
};
void store_commit_header(std::span<std::byte> out,
                         const CommitHeader& header,
                         std::uint64_t hash_seed);
/// Nothing where the bytes are not a valid header.
[[nodiscard]] std::optional<CommitHeader> load_commit_header(std::span<const std::byte> bytes,
                                                             std::uint64_t hash_seed);

/// One consensus entry: 64 bytes of header, the payload, zeros up to a multiple of 8.
///
///     at  bytes  field                       at  bytes  field
///      0      8  checksum of 8 to the end     20      4  batch_count
///                of the payload               24      8  raft_index
///      8      4  payload_bytes                32      8  raft_term
///     12      1  kind                         40     24  reserved, 0
///     13      1  flags
///     14      2  entry_type
///     16      4  group
inline constexpr std::size_t frame_header_bytes = 64;
[[nodiscard]] constexpr std::size_t frame_bytes(std::size_t payload_bytes) {
    return frame_header_bytes + align_up(payload_bytes, BatchHeader::alignment);
}
/// Writes the header of a frame whose payload is in its place already. **Requires** as below.
void store_frame_header(std::span<std::byte> out, const FrameView& frame, std::uint64_t seed);
/// Writes header and payload. **Requires** `out.size() >= frame_bytes(frame.payload.size())` and
/// zeros in `out`.
void store_frame(std::span<std::byte> out, const FrameView& frame, std::uint64_t seed);
/// The frame at the front of `bytes`, with its payload in place; nothing where it is not valid.
[[nodiscard]] std::optional<FrameView> load_frame(std::span<const std::byte> bytes,
                                                  std::uint64_t seed);
/// What a frame that is not valid says its whole length is, where that is possible within `bytes`;
/// to go on behind it.
[[nodiscard]] std::optional<std::size_t> claimed_frame_bytes(std::span<const std::byte> bytes);
/// What the header of a frame says, valid or not; without a payload. **Requires** a whole header.
[[nodiscard]] FrameView claimed_frame(std::span<const std::byte> bytes);

[[nodiscard]] constexpr std::uint64_t seed_of(std::uint64_t hash_seed, CommitSequence commit) {
    return hash_seed + commit.value;
}

}  // namespace millrace::storage
