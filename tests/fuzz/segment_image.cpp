#include "tests/fuzz/segment_image.hpp"

#include <algorithm>

#include <xxhash.h>

#include "tests/fuzz/fuzz_check.hpp"

#include "storage/base/bytes.hpp"
#include "storage/format/layout.hpp"

namespace millrace::fuzz {
namespace {

constexpr std::size_t chunk_bytes_max = 16 * storage::disk_alignment;
constexpr std::size_t checksum_bytes = 8;

void store_hash(std::span<std::byte> out, std::span<const std::byte> bytes, std::uint64_t seed) {
    store_le(out, std::uint64_t{XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed)});
}

void repair(std::span<std::byte> chunk, std::uint8_t repairs) {
    if (chunk.size() < storage::CommitHeader::bytes) {
        return;
    }
    if ((repairs & repair_commits) != 0) {
        repair_commit_checksum(chunk);
    }
    if ((repairs & repair_frames) != 0) {
        const auto sequence = load_le<std::uint64_t>(chunk.subspan(16));
        const auto count = load_le<std::uint32_t>(chunk.subspan(28));
        repair_frame_checksums(chunk, storage::CommitHeader::bytes, count, hash_seed + sequence);
    }
}

}  // namespace

void repair_segment_checksum(std::span<std::byte> segment) {
    constexpr std::size_t at = 64;
    if (segment.size() >= at + checksum_bytes) {
        store_hash(segment.subspan(at), segment.first(at), 0);
    }
}

void repair_commit_checksum(std::span<std::byte> commit) {
    constexpr std::size_t bytes = storage::CommitHeader::bytes;
    if (commit.size() >= bytes) {
        const auto sequence = load_le<std::uint64_t>(commit.subspan(16));
        store_hash(
            commit, commit.subspan(checksum_bytes, bytes - checksum_bytes), hash_seed + sequence);
    }
}

void repair_frame_checksums(std::span<std::byte> bytes,
                            std::size_t at,
                            std::uint32_t count,
                            std::uint64_t seed) {
    for (; count > 0 && at + storage::frame_header_bytes <= bytes.size(); --count) {
        const auto rest = bytes.subspan(at);
        const std::size_t payload = load_le<std::uint32_t>(rest.subspan(8));
        const std::size_t total = storage::frame_bytes(payload);
        if (total > rest.size()) {
            return;
        }
        store_hash(
            rest,
            rest.subspan(checksum_bytes, storage::frame_header_bytes - checksum_bytes + payload),
            seed);
        at += total;
    }
}

std::vector<std::byte> build_segment(std::span<const std::byte> input) {
    std::vector<std::byte> image(storage::disk_alignment);
    storage::store_segment_header(
        image,
        {.sequence = SegmentSequence{1}, .writer_epoch = writer_epoch, .hash_seed = hash_seed});
    const auto repairs = take_byte(input);
    while (input.size() >= 2 && image.size() < 64 * storage::disk_alignment) {
        const std::size_t low = take_byte(input);
        const std::size_t said = low + (std::size_t{take_byte(input)} << 8U);
        const std::size_t taken = std::min({said, input.size(), chunk_bytes_max});
        const std::size_t begin = image.size();
        image.resize(begin + align_up(std::max<std::size_t>(taken, 1), storage::disk_alignment));
        const auto chunk = std::span(image).subspan(begin);
        std::ranges::copy(input.first(taken), chunk.begin());
        repair(chunk, repairs);
        input = input.subspan(taken);
    }
    return image;
}

}  // namespace millrace::fuzz
