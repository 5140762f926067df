#include "storage/repair/commit_repair.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/bytes.hpp"
#include "storage/format/frame_walk.hpp"
#include "storage/io/aligned_buffer.hpp"
#include "storage/repair/entry_image.hpp"

namespace millrace::storage {
namespace {

constexpr std::uint64_t entries_of_gap_max = 64;
/// Of a frame: what its checksum covers begins there.
constexpr std::size_t checked_at = sizeof(std::uint64_t);

/// Frames that do not verify. One that is open reaches into the commit's padding.
struct Gap {
    std::size_t begin = 0;
    std::size_t end = 0;
    bool is_open = false;

    [[nodiscard]] std::size_t bytes() const { return end - begin; }
};

/// Frames for a gap, one behind the other.
struct Filling {
    std::vector<std::byte> bytes;
    std::uint32_t frames = 0;
};

class CommitRepair {
  public:
    CommitRepair(const DamagedCommit& commit, const SegmentHeader& segment, EntrySource& source)
        : commit_(commit),
          bytes_(commit.bytes),
          segment_(segment),
          source_(source),
          seed_(seed_of(segment.hash_seed, commit.sequence)),
          last_(commit.before) {}

    Result<std::uint32_t> run() {
        std::size_t at = CommitHeader::bytes;
        while (!is_at_end(at)) {
            MILLRACE_TRY(at, step(at));
        }
        if (!commit_.header) {
            store_header();
        }
        return check() ? Result<std::uint32_t>(fetched_)
                       : Result<std::uint32_t>(lost(0, "its repair does not verify"));
    }

  private:
    [[nodiscard]] Error lost(std::size_t at, const std::string& why) const {
        return fail(Errc::corrupt,
                    "commit " + std::to_string(commit_.sequence.value) + ", byte " +
                        std::to_string(at) + ": " + why);
    }
    /// A commit ends within a block of its last frame, in zeros.
    [[nodiscard]] bool is_padding(std::size_t at) const {
        return at <= bytes_.size() && bytes_.size() - at < disk_alignment &&
               is_clear(bytes_.subspan(at));
    }
    [[nodiscard]] bool is_at_end(std::size_t at) const {
        return commit_.header ? frames_ == commit_.header->frame_count : is_padding(at);
    }
    [[nodiscard]] std::optional<FrameView> frame_at(std::size_t at) const {
        return at < bytes_.size() ? load_frame(bytes_.subspan(at), seed_) : std::nullopt;
    }

    /// Over the frame or the gap that is there.
    Result<std::size_t> step(std::size_t at) {
        if (const auto frame = frame_at(at)) {
            note_entry(*frame, last_);
            ++frames_;
            return at + frame_bytes(frame->payload.size());
        }
        if (at + frame_header_bytes > bytes_.size()) {
            return lost(at, "it has fewer frames than it says");
        }
        const auto gap = find_gap(at);
        auto filling = fill_as_claimed(gap);
        if (!filling &&
            (filling.error().code == Errc::corrupt || filling.error().code == Errc::not_found)) {
            filling = fill_by_neighbours(gap);
        }
        MILLRACE_TRY(const auto found, std::move(filling));
        copy_bytes(found.bytes, bytes_.subspan(gap.begin));
        std::ranges::fill(
            bytes_.subspan(gap.begin + found.bytes.size(), gap.bytes() - found.bytes.size()),
            std::byte{0});
        fetched_ += found.frames;
        if (!frame_at(at)) {
            return lost(at, "does not verify after its repair either");
        }
        return at;  // once more, over what verifies now
    }

    [[nodiscard]] Gap find_gap(std::size_t at) const {
        const auto claimed = claimed_frame_bytes(bytes_.subspan(at));
        if (claimed && (is_padding(at + *claimed) || frame_at(at + *claimed))) {
            return {.begin = at, .end = at + *claimed};
        }
        for (auto next = at + BatchHeader::alignment; next < bytes_.size();
             next += BatchHeader::alignment) {
            if (frame_at(next)) {
                return {.begin = at, .end = next};
            }
        }
        return {.begin = at, .end = bytes_.size(), .is_open = true};
    }

    [[nodiscard]] static bool fits(const Gap& gap, const Filling& filling) {
        const auto bytes = filling.bytes.size();
        return gap.is_open ? bytes <= gap.bytes() && gap.bytes() - bytes < disk_alignment
                           : bytes == gap.bytes();
    }

    Result<FrameView> add(const EntryRequest& request, Filling& filling) {
        MILLRACE_TRY(const auto image, source_.fetch(request));
        MILLRACE_TRY(auto frame, parse_entry_image(image, request));
        const auto at = filling.bytes.size();
        filling.bytes.resize(at + frame_bytes(frame.payload.size()));
        store_frame(std::span(filling.bytes).subspan(at), frame, seed_);
        ++filling.frames;
        frame.payload = {};
        return frame;
    }

    /// What the frame's own header names, if it is not damaged itself.
    Result<Filling> fill_as_claimed(const Gap& gap) {
        const auto own = bytes_.subspan(gap.begin);
        const auto claimed = claimed_frame(own);
        if (claimed.kind != FrameKind::entry) {
            return lost(gap.begin, "no entry, but what only this replica has");
        }
        Filling filling;
        MILLRACE_TRY(
            add({.group = claimed.group, .index = claimed.index, .term = claimed.term}, filling));
        const auto found = std::span(filling.bytes);
        const bool is_same = load_le<std::uint64_t>(own) == load_le<std::uint64_t>(found) ||
                             (found.size() <= own.size() &&
                              std::ranges::equal(found.subspan(checked_at),
                                                 own.first(found.size()).subspan(checked_at)));
        if (!is_same || !fits(gap, filling)) {
            return lost(gap.begin, "the entry that it names is another one");
        }
        return filling;
    }

    /// The first entries behind a gap, as far as it is known that none lies between.
    [[nodiscard]] EntryMarks find_behind(const Gap& gap) const {
        EntryMarks behind;
        const auto note = [&behind](GroupId group, EntryMark mark) {
            behind.try_emplace(group, mark);
        };
        auto at = gap.end;
        while (const auto frame = frame_at(at)) {
            if (frame->kind == FrameKind::entry) {
                note(frame->group, {.index = frame->index, .term = frame->term});
            } else if (frame->kind == FrameKind::truncate) {
                note(frame->group, {});  // the next one does not follow the last
            }
            at += frame_bytes(frame->payload.size());
        }
        if (is_padding(at)) {
            for (const auto& [group, mark] : commit_.behind) {
                note(group, mark);
            }
        }
        return behind;
    }

    Result<Filling> fill_by_neighbours(const Gap& gap) {
        const auto behind = find_behind(gap);
        for (const auto& [group, before] : last_) {
            const auto next = behind.find(group);
            const bool is_missing = next != behind.end() && next->second.index > before.index + 1 &&
                                    next->second.index <= before.index + entries_of_gap_max + 1;
            if (!is_missing) {
                continue;
            }
            auto filling = fetch_between(group, before, next->second);
            const bool is_temporary = !filling && filling.error().code != Errc::corrupt &&
                                      filling.error().code != Errc::not_found;
            if (is_temporary || (filling && fits(gap, filling.value()))) {
                return filling;
            }
        }
        return lost(gap.begin, "which entries it had is not known, or no other node has them");
    }

    Result<Filling> fetch_between(GroupId group, EntryMark before, EntryMark behind) {
        Filling filling;
        for (auto index = before.index + 1; index < behind.index; ++index) {
            MILLRACE_TRY(const auto frame,
                         add({.group = group, .index = index, .term = {}}, filling));
            if (frame.term < before.term || frame.term > behind.term) {
                return lost(0, "the entry of the other nodes is of another term");
            }
        }
        return filling;
    }

    void store_header() {
        const auto first = commit_.time_before != 0 ? commit_.time_before : commit_.time_behind;
        const auto last = commit_.time_behind != 0 ? commit_.time_behind : commit_.time_before;
        store_commit_header(bytes_,
                            {.total_bytes = static_cast<std::uint32_t>(bytes_.size()),
                             .sequence = commit_.sequence,
                             .writer_epoch = static_cast<std::uint32_t>(segment_.writer_epoch),
                             .frame_count = frames_,
                             .first_time_us = first,
                             .last_time_us = std::max(first, last)},
                            segment_.hash_seed);
    }

    [[nodiscard]] bool check() const {
        const auto header = load_commit_header(bytes_, segment_.hash_seed);
        return header && header->frame_count > 0 &&
               walk_frames(bytes_, *header, segment_.hash_seed, [](const auto&, std::size_t) {
               }).frames == 0;
    }

    const DamagedCommit& commit_;
    std::span<std::byte> bytes_;
    const SegmentHeader& segment_;
    EntrySource& source_;
    std::uint64_t seed_;
    EntryMarks last_;
    std::uint32_t frames_ = 0;
    std::uint32_t fetched_ = 0;
};

}  // namespace

void note_entry(const FrameView& frame, EntryMarks& last) {
    if (frame.kind == FrameKind::entry) {
        last[frame.group] = {.index = frame.index, .term = frame.term};
    } else if (frame.kind == FrameKind::truncate) {
        last.erase(frame.group);
    }
}

Result<std::uint32_t> repair_commit(const DamagedCommit& commit,
                                    const SegmentHeader& segment,
                                    EntrySource& source) {
    return CommitRepair(commit, segment, source).run();
}

}  // namespace millrace::storage
