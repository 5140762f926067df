#include "storage/repair/entry_finder.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "storage/format/frame_walk.hpp"
#include "storage/log/frame_reader.hpp"
#include "storage/repair/entry_image.hpp"

namespace millrace::storage {
namespace {

/// Without an entry of the group, of those that one search may read through.
constexpr int bare_segments_max = 8;
/// An entry may lie behind the segment that its index points to, where others were truncated.
constexpr std::size_t segments_read = 2;

Error not_here(const EntryRequest& request) {
    return fail(Errc::not_found,
                "entry " + std::to_string(request.index.value) + " of group " +
                    std::to_string(request.group.value) + " is not in the log here");
}

class EntrySearch {
  public:
    EntrySearch(const std::vector<DurableSegment>& segments,
                const EntryRequest& request,
                Pace& pace)
        : segments_(segments), request_(request), pace_(pace) {}

    Result<std::vector<std::byte>> run() {
        MILLRACE_TRY(const auto found, find_segment());
        const auto end = std::min(found + segments_read, segments_.size());
        for (auto at = found; at < end && !is_settled(); ++at) {
            MILLRACE_TRY(read_through(segments_[at]));
        }
        return image_.empty() ? Result<std::vector<std::byte>>(not_here(request_))
                              : Result<std::vector<std::byte>>(std::move(image_));
    }

    /// The first commit of the segment in which reading on comes to it.
    Result<ScanCursor> seek() {
        MILLRACE_TRY(const auto found, find_segment());
        return ScanCursor{.segment = segments_[found].segment.header.sequence,
                          .position = Position{disk_alignment}};
    }

  private:
    /// An entry of this index and term is one and the same wherever it is.
    [[nodiscard]] bool is_settled() const { return !image_.empty() && request_.term != RaftTerm{}; }

    /// Calls `take` with the frames of the group, until it returns false.
    template <class Take>
    Result<void> visit(const DurableSegment& durable, Take take) {
        const auto& header = durable.segment.header;
        FileWindow window(*durable.segment.file, durable.end);
        bool goes_on = true;
        for (std::uint64_t at = disk_alignment; at < durable.end && goes_on;) {
            MILLRACE_TRY(const auto head, window.at(at, disk_alignment));
            const auto commit = load_commit_header(head, header.hash_seed);
            if (!commit) {
                MILLRACE_TRY(pace_.spend(disk_alignment));
                at += disk_alignment;
                continue;
            }
            MILLRACE_TRY(const auto bytes, window.at(at, commit->total_bytes));
            MILLRACE_TRY(pace_.spend(bytes.size()));
            walk_frames(bytes, *commit, header.hash_seed, [&](const FrameView& frame, std::size_t) {
                goes_on = goes_on && (frame.group != request_.group || take(frame));
            });
            at += commit->total_bytes;
        }
        return ok();
    }

    Result<std::optional<RaftIndex>> first_of(const DurableSegment& segment) {
        std::optional<RaftIndex> first;
        MILLRACE_TRY(visit(segment, [&first](const FrameView& frame) {
            if (frame.kind == FrameKind::entry) {
                first = frame.index;
            }
            return !first;
        }));
        return first;
    }

    struct Begin {
        std::size_t segment = 0;
        RaftIndex first;
    };
    /// From `at` on, before `end`, the first segment that has an entry of the group.
    Result<std::optional<Begin>> find_begin(std::size_t at, std::size_t end) {
        for (; at < end; ++at) {
            MILLRACE_TRY(const auto first, first_of(segments_[at]));
            if (first) {
                return std::optional(Begin{.segment = at, .first = *first});
            }
            if (++bare_ > bare_segments_max) {
                return not_here(request_);
            }
        }
        return std::optional<Begin>{};
    }

    /// The last one whose first entry does not lie behind the one that is looked for.
    Result<std::size_t> find_segment() {
        std::optional<std::size_t> best;
        std::size_t low = 0;
        auto high = segments_.size();
        while (low < high) {
            const auto middle = low + (high - low) / 2;
            MILLRACE_TRY(const auto begin, find_begin(middle, high));
            if (begin && begin->first <= request_.index) {
                best = begin->segment;
                low = begin->segment + 1;
            } else {
                high = middle;
            }
        }
        return best ? Result<std::size_t>(*best) : Result<std::size_t>(not_here(request_));
    }

    Result<void> read_through(const DurableSegment& segment) {
        return visit(segment, [this](const FrameView& frame) {
            const bool is_wanted = frame.kind == FrameKind::entry &&
                                   frame.index == request_.index &&
                                   (request_.term == RaftTerm{} || frame.term == request_.term);
            const bool takes_out =
                frame.kind == FrameKind::truncate && frame.index <= request_.index;
            if (is_wanted) {
                image_ = format_entry_image(frame);
            } else if (takes_out) {
                image_.clear();
            }
            return !is_settled();
        });
    }

    const std::vector<DurableSegment>& segments_;
    EntryRequest request_;
    Pace& pace_;
    int bare_ = 0;
    std::vector<std::byte> image_;
};

}  // namespace

Result<std::vector<std::byte>> find_entry(const std::vector<DurableSegment>& segments,
                                          const EntryRequest& request,
                                          Pace& pace) {
    return EntrySearch(segments, request, pace).run();
}

Result<ScanCursor> seek_entry(const std::vector<DurableSegment>& segments,
                              const EntryRequest& request,
                              Pace& pace) {
    return EntrySearch(segments, request, pace).seek();
}

/// `look` runs on the thread, `done` on the shard's with what that found.
template <class Done, class Look>
void EntryFinder::add(Done done, Look look) {
    if (waiting_.size() >= waiting_max) {
        done(fail(Errc::limit_reached,
                  "limit: " + std::to_string(waiting_max) + " entries are looked for already"));
        return;
    }
    waiting_.push_back([done = std::move(done), look](const std::vector<DurableSegment>& segments,
                                                      Pace& pace) -> Background::Ending {
        auto found = std::make_shared<decltype(look(segments, pace))>(look(segments, pace));
        return [done, found] { done(std::move(*found)); };
    });
}

void EntryFinder::find(const EntryRequest& request, FindEntryDone done) {
    add(std::move(done), [request](const auto& segments, Pace& pace) {
        return storage::find_entry(segments, request, pace);
    });
}

void EntryFinder::seek(const EntryRequest& request, SeekEntryDone done) {
    add(std::move(done), [request](const auto& segments, Pace& pace) {
        return storage::seek_entry(segments, request, pace);
    });
}

std::vector<DurableSegment> EntryFinder::segments() const {
    std::vector<DurableSegment> found;
    found.reserve(files_.segments().size());
    for (const auto& [sequence, segment] : files_.segments()) {
        const auto end = durable_bytes_(sequence);
        if (end > disk_alignment) {
            found.push_back({.segment = segment, .end = end});
        }
    }
    return found;
}

void EntryFinder::tick() {
    background_.run_endings();
    if (is_reading_) {
        return;
    }
    if (waiting_.empty()) {
        background_.rest();
        return;
    }
    auto search = std::make_shared<Search>(std::move(waiting_.front()));
    waiting_.pop_front();
    is_reading_ = true;
    const auto bytes_per_second = options_.background_inline ? 0 : options_.scrub_bytes_per_second;
    background_.start(
        [this, search, bytes_per_second, segments = segments()]() -> Background::Ending {
            Pace pace(bytes_per_second, is_stopping_);
            return [this, ending = (*search)(segments, pace)] {
                is_reading_ = false;
                ending();
            };
        });
    background_.run_endings();
}

}  // namespace millrace::storage
