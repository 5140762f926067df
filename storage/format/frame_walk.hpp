#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "storage/format/layout.hpp"

namespace millrace::storage {

/// What of a commit does not verify.
struct FrameDamage {
    std::uint32_t frames = 0;
    std::size_t last_at = 0;  ///< byte of the last one in the commit; 0 where none was seen
};

/// Calls `visit` with each frame of a commit that verifies and its byte in the commit; steps over
/// the others, as far as their sizes can be told.
template <class Visit>
FrameDamage walk_frames(std::span<const std::byte> commit,
                        const CommitHeader& header,
                        std::uint64_t hash_seed,
                        Visit visit) {
    const auto seed = seed_of(hash_seed, header.sequence);
    FrameDamage damage;
    std::size_t at = CommitHeader::bytes;
    for (auto left = header.frame_count; left > 0; --left) {
        if (at >= commit.size()) {
            damage.frames += left;
            break;
        }
        const auto rest = commit.subspan(at);
        if (const auto frame = load_frame(rest, seed)) {
            visit(*frame, at);
        } else {
            ++damage.frames;
            damage.last_at = at;
        }
        const auto step = claimed_frame_bytes(rest);
        if (!step) {
            damage.frames += left - 1;
            break;
        }
        at += *step;
    }
    return damage;
}

}  // namespace millrace::storage
