#include "storage/log/recovery.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "storage/base/logging.hpp"
#include "storage/format/frame_walk.hpp"
#include "storage/io/aligned_buffer.hpp"
#include "storage/log/frame_reader.hpp"

namespace millrace::storage {
namespace {

/// What is known of a segment before it is read.
struct Knowledge {
    std::uint64_t end = 0;  ///< nothing behind it counts
    std::uint32_t in_flight_max = 0;
    /// Of the first commit in the segment behind it.
    std::optional<CommitSequence> following;
};

class Scanner {
  public:
    Scanner(const Segment& segment, const Knowledge& known, const FrameHandler& handle)
        : segment_(segment),
          bytes_(known.end),
          known_(known),
          handle_(handle),
          window_(*segment.file, known.end) {}

    Result<SegmentScan> run(CommitSequence after) {
        found_.last = after;
        std::uint64_t at = disk_alignment;
        while (at < bytes_) {
            MILLRACE_TRY(const auto next, step(at));
            if (!next) {
                break;
            }
            at = *next;
        }
        return found_;
    }

  private:
    struct Commit {
        CommitHeader header;
        std::uint32_t bad_frames = 0;
    };

    /// Hands out the commit that is there, and says where the next one is; nothing at the end.
    Result<std::optional<std::uint64_t>> step(std::uint64_t at) {
        MILLRACE_TRY(const auto commit, read_commit(at));
        const bool is_expected = commit && is_next(*commit);
        // Where the log goes on in another segment, all of this one had come to the disk before.
        if (is_expected && (commit->bad_frames == 0 || known_.following)) {
            MILLRACE_TRY(hand_out(at, *commit));
            return at + commit->header.total_bytes;
        }
        MILLRACE_TRY(const auto next, find_later(at, commit));
        if (!next) {
            found_.torn_tails += is_remains(commit) ? 1U : 0U;
            return std::nullopt;
        }
        if (is_expected) {
            MILLRACE_TRY(hand_out(at, *commit));
        } else {
            report(at, "a commit does not verify");
        }
        found_.last = next->before;
        return next->position;
    }

    [[nodiscard]] bool is_of_epoch(const CommitHeader& header) const {
        return header.writer_epoch == static_cast<std::uint32_t>(segment_.header.writer_epoch);
    }
    /// Within a segment commits follow each other. Before its first one there may be a gap:
    /// segments that held nothing of worth any more are gone.
    [[nodiscard]] bool is_next(const Commit& commit) const {
        const auto sequence = commit.header.sequence;
        return is_of_epoch(commit.header) && !is_cut(sequence) &&
               (is_at_start() ? sequence > found_.last : sequence == found_.last + 1);
    }
    /// A tail that an earlier recovery cut: its sequences were given out again.
    [[nodiscard]] bool is_cut(CommitSequence sequence) const {
        return known_.following && sequence >= *known_.following;
    }
    [[nodiscard]] bool is_at_start() const { return found_.used_bytes == disk_alignment; }
    // Whole zeros are the untouched rest of the file, not a tail that tore.
    [[nodiscard]] bool is_remains(const std::optional<Commit>& commit) const {
        return commit.has_value() || saw_bytes_;
    }

    Result<std::optional<Commit>> read_commit(std::uint64_t at) {
        MILLRACE_TRY(const auto head, window_.at(at, disk_alignment));
        saw_bytes_ = !is_clear(head);
        const auto header = load_commit_header(head, segment_.header.hash_seed);
        if (!header || at + header->total_bytes > bytes_) {
            return std::optional<Commit>{};
        }
        Commit commit{.header = *header};
        MILLRACE_TRY(visit_frames(at, commit, [](const FrameView&, Position) {}));
        return std::optional(commit);
    }

    template <class Visit>
    Result<void> visit_frames(std::uint64_t at, Commit& commit, Visit visit) {
        MILLRACE_TRY(const auto bytes, window_.at(at, commit.header.total_bytes));
        const auto damage = walk_frames(bytes,
                                        commit.header,
                                        segment_.header.hash_seed,
                                        [&](const FrameView& frame, std::size_t offset) {
                                            visit(frame, Position{at + offset});
                                        });
        commit.bad_frames = damage.frames;
        bad_position_ = damage.last_at > 0 ? at + damage.last_at : bad_position_;
        return ok();
    }

    Result<void> hand_out(std::uint64_t at, Commit commit) {
        found_.last = commit.header.sequence;
        found_.used_bytes = at + commit.header.total_bytes;
        found_.first_time_us =
            found_.first_time_us == 0 ? commit.header.first_time_us : found_.first_time_us;
        found_.last_time_us = commit.header.last_time_us;
        MILLRACE_TRY(visit_frames(at, commit, [&](const FrameView& frame, Position position) {
            handle_(frame,
                    {.segment = segment_.header.sequence,
                     .position = position,
                     .commit = commit.header.sequence});
        }));
        if (commit.bad_frames > 0) {
            report(bad_position_, "an entry does not verify");
        }
        return ok();
    }

    /// Where the log goes on behind damage.
    struct Resume {
        std::uint64_t position = 0;
        CommitSequence before;  ///< sequence that counts as the last one there
    };

    /// Nothing when the bad place is the torn tail.
    Result<std::optional<Resume>> find_later(std::uint64_t bad,
                                             const std::optional<Commit>& commit) {
        const std::size_t step =
            commit && is_next(*commit) ? commit->header.total_bytes : disk_alignment;
        std::optional<Resume> first;
        for (std::uint64_t at = bad + step; at < bytes_; at += disk_alignment) {
            MILLRACE_TRY(const auto head, window_.at(at, disk_alignment));
            const auto header = load_commit_header(head, segment_.header.hash_seed);
            if (!header || !is_of_epoch(*header) || header->sequence <= found_.last ||
                is_cut(header->sequence)) {
                continue;
            }
            first = first ? first : Resume{.position = at, .before = header->sequence - 1};
            // The bad commit and those that were in flight with it prove nothing; one further does.
            // What a bad first one was follows from the next.
            const auto before_bad = std::max(first->before.value, std::uint64_t{1}) - 1;
            const auto good =
                is_at_start() ? std::max(found_.last.value, before_bad) : found_.last.value;
            if (known_.following || header->sequence.value > good + known_.in_flight_max) {
                return first;
            }
        }
        return std::optional<Resume>{};
    }

    void report(std::uint64_t position, std::string_view what) {
        ++found_.quarantined;
        report_damage(segment_.header.sequence, position, what);
    }

    const Segment& segment_;
    std::uint64_t bytes_;
    Knowledge known_;
    const FrameHandler& handle_;
    FileWindow window_;
    SegmentScan found_;
    bool saw_bytes_ = false;
    std::uint64_t bad_position_ = 0;
};

Result<std::optional<CommitSequence>> first_commit(const Segment& segment) {
    AlignedBuffer head(disk_alignment);
    MILLRACE_TRY(const auto bytes, segment.file->read_now(Position{disk_alignment}, head.span()));
    const auto header = load_commit_header(head.span().first(bytes), segment.header.hash_seed);
    const auto epoch = static_cast<std::uint32_t>(segment.header.writer_epoch);
    return header && header->writer_epoch == epoch ? std::optional(header->sequence) : std::nullopt;
}

}  // namespace

void report_damage(SegmentSequence segment, std::uint64_t position, std::string_view what) {
    log_error("storage",
              "segment " + std::to_string(segment.value) + ", position " +
                  std::to_string(position) + ": corrupt, " + std::string(what) +
                  "; its records answer \"corrupt\", everything else is served");
}

Result<SegmentScan> scan_segment(const Segment& segment,
                                 const ScanRange& range,
                                 const FrameHandler& handle) {
    Knowledge known{.end = segment.file_bytes, .in_flight_max = range.commits_in_flight_max};
    if (range.used_bytes) {
        known.end = std::min<std::uint64_t>(known.end, align_up(*range.used_bytes, disk_alignment));
    }
    if (range.following != nullptr) {
        MILLRACE_TRY(known.following, first_commit(*range.following));
    }
    MILLRACE_TRY(auto found, Scanner(segment, known, handle).run(range.after));
    // Only of a neighbour: what lay between others may be gone because nothing of it was needed.
    // One that was rewritten has fewer commits than before, from the same one on.
    const bool is_neighbour = known.following && !segment.header.is_rewritten() &&
                              range.following->header.sequence == segment.header.sequence + 1;
    if (is_neighbour && found.last.value > 0 && found.last + 1 < *known.following) {
        found.torn_tails = 0;
        ++found.quarantined;
        report_damage(segment.header.sequence, found.used_bytes, "its end does not verify");
    }
    return found;
}

}  // namespace millrace::storage
