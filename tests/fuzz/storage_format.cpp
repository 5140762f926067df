// The parsers of what lies on disk, over the bytes as they are and over bytes whose checksums fit.
#include <array>
#include <cstring>
#include <vector>

#include "tests/fuzz/fuzz_check.hpp"
#include "tests/fuzz/segment_image.hpp"

#include "storage/format/layout.hpp"

namespace millrace::storage {
namespace {

using fuzz::check;

void parse_segment(std::span<const std::byte> bytes) {
    const auto header = parse_segment_header(bytes);
    if (header.has_error()) {
        return;
    }
    std::vector<std::byte> again(disk_alignment);
    store_segment_header(again, header.value());
    const auto reparsed = parse_segment_header(again);
    check(reparsed.has_value(), "a stored segment header parses");
    check(reparsed.value().sequence == header.value().sequence &&
              reparsed.value().hash_seed == header.value().hash_seed,
          "a segment header survives being stored");
}

void parse_commit(std::span<const std::byte> bytes) {
    const auto header = load_commit_header(bytes, fuzz::hash_seed);
    if (!header) {
        return;
    }
    std::array<std::byte, CommitHeader::bytes> again{};
    store_commit_header(again, *header, fuzz::hash_seed);
    const auto reparsed = load_commit_header(again, fuzz::hash_seed);
    check(reparsed && reparsed->total_bytes == header->total_bytes &&
              reparsed->sequence == header->sequence,
          "a commit header survives being stored");
}

/// Returns what to step over.
std::size_t parse_frame(std::span<const std::byte> bytes, std::uint64_t seed) {
    const auto claimed = claimed_frame_bytes(bytes);
    check(!claimed || (*claimed >= frame_header_bytes && *claimed <= bytes.size()),
          "a claimed length lies within the bytes");
    const auto frame = load_frame(bytes, seed);
    check(!frame || claimed, "a frame that loads has a length");
    if (frame) {
        check(frame->payload.empty() ||
                  frame->payload.data() + frame->payload.size() <= bytes.data() + bytes.size(),
              "a payload lies within the bytes");
        std::vector<std::byte> again(frame_bytes(frame->payload.size()));
        store_frame(again, *frame, seed);
        check(load_frame(again, seed).has_value(), "a stored frame loads");
        for (auto run = frame->payload; const auto batch = load_batch_header(run);) {
            check(batch->run_bytes() <= run.size(), "a batch lies within its run");
            run = run.subspan(batch->run_bytes());
        }
    }
    return claimed.value_or(0);
}

}  // namespace
}  // namespace millrace::storage

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    auto input = fuzz::bytes_of(data, size);
    const auto choice = fuzz::take_byte(input);
    std::vector<std::byte> bytes(input.begin(), input.end());
    storage::parse_segment(bytes);
    storage::parse_commit(bytes);
    if ((choice & fuzz::repair_segment) != 0) {
        bytes.resize(storage::disk_alignment);
        fuzz::repair_segment_checksum(bytes);
        storage::parse_segment(bytes);
        bytes.resize(input.size());
        std::ranges::copy(input, bytes.begin());
    }
    if ((choice & fuzz::repair_commits) != 0) {
        fuzz::repair_commit_checksum(bytes);
        storage::parse_commit(bytes);
    }
    if ((choice & fuzz::repair_frames) != 0) {
        fuzz::repair_frame_checksums(bytes, 0, 64, fuzz::hash_seed);
    }
    for (auto rest = std::span<const std::byte>(bytes); !rest.empty();) {
        const auto step = storage::parse_frame(rest, fuzz::hash_seed);
        if (step == 0) {
            break;
        }
        rest = rest.subspan(step);
    }
    return 0;
}
