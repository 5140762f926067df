#include "storage/format/layout.hpp"

#include <cstring>
#include <string>

#include <xxhash.h>

#include "storage/base/assert.hpp"
#include "storage/base/bytes.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint64_t segment_magic = 0x314745534c4c494dU;  // "MILLSEG1"
constexpr std::uint32_t commit_magic = 0x31544d43U;           // "CMT1"
constexpr std::size_t segment_checked_bytes = 64;
constexpr std::uint32_t plain_version = 1;

std::uint64_t hash(std::span<const std::byte> bytes, std::uint64_t seed) {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace

void store_segment_header(std::span<std::byte> out, const SegmentHeader& header) {
    MILLRACE_ASSERT(out.size() >= disk_alignment);
    std::memset(out.data(), 0, disk_alignment);
    store_le(out, segment_magic);
    store_le(out.subspan(8), header.is_rewritten() ? format_version : plain_version);
    store_le(out.subspan(12), static_cast<std::uint32_t>(disk_alignment));
    store_le(out.subspan(16), header.sequence.value);
    store_le(out.subspan(24), header.shard.value);
    store_le(out.subspan(28), header.order_block);
    store_le(out.subspan(32), header.writer_epoch);
    store_le(out.subspan(40), header.created_us);
    store_le(out.subspan(48), header.hash_seed);
    store_le(out.subspan(56), static_cast<std::uint32_t>(disk_alignment));
    store_le(out.subspan(64), hash(out.first(segment_checked_bytes), 0));
}

Result<SegmentHeader> parse_segment_header(std::span<const std::byte> bytes) {
    if (bytes.size() < disk_alignment || load_le<std::uint64_t>(bytes) != segment_magic) {
        return fail(Errc::corrupt, "not a segment: its magic is missing");
    }
    const auto version = load_le<std::uint32_t>(bytes.subspan(8));
    if (version > format_version) {
        return fail(Errc::newer_format,
                    "segment format " + std::to_string(version) + " is newer than this program's " +
                        std::to_string(format_version));
    }
    if (load_le<std::uint64_t>(bytes.subspan(64)) != hash(bytes.first(segment_checked_bytes), 0) ||
        load_le<std::uint32_t>(bytes.subspan(12)) != disk_alignment) {
        return fail(Errc::corrupt, "segment header: checksum mismatch");
    }
    return SegmentHeader{.sequence = SegmentSequence{load_le<std::uint64_t>(bytes.subspan(16))},
                         .shard = ShardId{load_le<std::uint32_t>(bytes.subspan(24))},
                         .writer_epoch = load_le<std::uint64_t>(bytes.subspan(32)),
                         .created_us = load_le<std::int64_t>(bytes.subspan(40)),
                         .hash_seed = load_le<std::uint64_t>(bytes.subspan(48)),
                         .order_block = load_le<std::uint32_t>(bytes.subspan(28))};
}

void store_commit_header(std::span<std::byte> out,
                         const CommitHeader& header,
                         std::uint64_t hash_seed) {
    MILLRACE_ASSERT(out.size() >= CommitHeader::bytes);
    std::memset(out.data(), 0, CommitHeader::bytes);
    store_le(out.subspan(8), commit_magic);
    store_le(out.subspan(12), header.total_bytes);
    store_le(out.subspan(16), header.sequence.value);
    store_le(out.subspan(24), header.writer_epoch);
    store_le(out.subspan(28), header.frame_count);
    store_le(out.subspan(32), header.first_time_us);
    store_le(out.subspan(40), header.last_time_us);
    store_le(out,
             hash(out.subspan(8, CommitHeader::bytes - 8), seed_of(hash_seed, header.sequence)));
}

std::optional<CommitHeader> load_commit_header(std::span<const std::byte> bytes,
                                               std::uint64_t hash_seed) {
    if (bytes.size() < CommitHeader::bytes ||
        load_le<std::uint32_t>(bytes.subspan(8)) != commit_magic) {
        return std::nullopt;
    }
    const CommitHeader header{.total_bytes = load_le<std::uint32_t>(bytes.subspan(12)),
                              .sequence = CommitSequence{load_le<std::uint64_t>(bytes.subspan(16))},
                              .writer_epoch = load_le<std::uint32_t>(bytes.subspan(24)),
                              .frame_count = load_le<std::uint32_t>(bytes.subspan(28)),
                              .first_time_us = load_le<std::int64_t>(bytes.subspan(32)),
                              .last_time_us = load_le<std::int64_t>(bytes.subspan(40))};
    const auto computed =
        hash(bytes.subspan(8, CommitHeader::bytes - 8), seed_of(hash_seed, header.sequence));
    if (load_le<std::uint64_t>(bytes) != computed || header.total_bytes < disk_alignment ||
        header.total_bytes % disk_alignment != 0) {
        return std::nullopt;
    }
    return header;
}

void store_frame_header(std::span<std::byte> out, const FrameView& frame, std::uint64_t seed) {
    MILLRACE_ASSERT(out.size() >= frame_bytes(frame.payload.size()));
    store_le(out.subspan(8), static_cast<std::uint32_t>(frame.payload.size()));
    out[12] = static_cast<std::byte>(frame.kind);
    out[13] = static_cast<std::byte>(frame.flags);
    store_le(out.subspan(14), frame.entry_type);
    store_le(out.subspan(16), frame.group.value);
    store_le(out.subspan(20), frame.batch_count);
    store_le(out.subspan(24), frame.index.value);
    store_le(out.subspan(32), frame.term.value);
    const auto checked = out.subspan(8, frame_header_bytes - 8 + frame.payload.size());
    store_le(out, hash(checked, seed));
}

void store_frame(std::span<std::byte> out, const FrameView& frame, std::uint64_t seed) {
    MILLRACE_ASSERT(out.size() >= frame_bytes(frame.payload.size()));
    if (!frame.payload.empty()) {
        std::memcpy(&out[frame_header_bytes], frame.payload.data(), frame.payload.size());
    }
    store_frame_header(out, frame, seed);
}

std::optional<std::size_t> claimed_frame_bytes(std::span<const std::byte> bytes) {
    if (bytes.size() < frame_header_bytes) {
        return std::nullopt;
    }
    const auto total = frame_bytes(load_le<std::uint32_t>(bytes.subspan(8)));
    return total <= bytes.size() ? std::optional(total) : std::nullopt;
}

FrameView claimed_frame(std::span<const std::byte> bytes) {
    MILLRACE_ASSERT(bytes.size() >= frame_header_bytes);
    return {.kind = static_cast<FrameKind>(bytes[12]),
            .flags = std::to_integer<std::uint8_t>(bytes[13]),
            .entry_type = load_le<std::uint16_t>(bytes.subspan(14)),
            .group = GroupId{load_le<std::uint32_t>(bytes.subspan(16))},
            .batch_count = load_le<std::uint32_t>(bytes.subspan(20)),
            .index = RaftIndex{load_le<std::uint64_t>(bytes.subspan(24))},
            .term = RaftTerm{load_le<std::uint64_t>(bytes.subspan(32))},
            .payload = {}};
}

std::optional<FrameView> load_frame(std::span<const std::byte> bytes, std::uint64_t seed) {
    if (!claimed_frame_bytes(bytes)) {
        return std::nullopt;
    }
    const std::size_t payload_bytes = load_le<std::uint32_t>(bytes.subspan(8));
    auto frame = claimed_frame(bytes);
    if (load_le<std::uint64_t>(bytes) !=
            hash(bytes.subspan(8, frame_header_bytes - 8 + payload_bytes), seed) ||
        frame.kind < FrameKind::entry || frame.kind > FrameKind::checkpoint) {
        return std::nullopt;
    }
    frame.payload = bytes.subspan(frame_header_bytes, payload_bytes);
    return frame;
}

}  // namespace millrace::storage
