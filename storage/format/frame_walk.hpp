#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/format/layout.hpp"

namespace millrace::storage {

/// Calls `visit` with each frame of a commit that verifies and its byte in the commit; steps over
/// the others, as far as their sizes can be told.
template <class Visit>
void walk_frames(std::span<const std::byte> commit,
                 const CommitHeader& header,
                 std::uint64_t hash_seed,
                 Visit visit) {
    const auto seed = seed_of(hash_seed, header.sequence);
    std::size_t at = CommitHeader::bytes;
    for (std::uint32_t i = 0; i < header.frame_count && at < commit.size(); ++i) {
        const auto rest = commit.subspan(at);
        if (const auto frame = load_frame(rest, seed)) {
            visit(*frame, at);
        }
        const auto step = claimed_frame_bytes(rest);
        if (!step) {
            return;
        }
        at += *step;
    }
}

}  // namespace millrace::storage
