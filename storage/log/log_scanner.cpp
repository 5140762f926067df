#include "storage/log/log_scanner.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <system_error>

#include "storage/format/frame_walk.hpp"
#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t commit_read_bytes = 2_MiB;

/// Takes whole commits from the front of a window, stepping over what does not verify.
struct Taken {
    std::size_t bytes = 0;  ///< of the window; the scan goes on behind them
    bool saw_commit = false;
    bool is_beyond_limit = false;
    std::uint32_t damaged_frames = 0;
};

template <class Visit>
Taken take_commits(std::span<const std::byte> window,
                   std::uint64_t hash_seed,
                   CommitSequence upto,
                   Visit visit) {
    Taken taken;
    for (std::size_t at = 0; at + disk_alignment <= window.size();) {
        const auto header = load_commit_header(window.subspan(at), hash_seed);
        if (!header) {
            at += disk_alignment;
            continue;
        }
        taken.is_beyond_limit = header->sequence > upto;
        if (taken.is_beyond_limit || at + header->total_bytes > window.size()) {
            break;
        }
        const auto damage =
            walk_frames(window.subspan(at, header->total_bytes),
                        *header,
                        hash_seed,
                        [&visit](const FrameView& frame, std::size_t) { visit(frame); });
        taken.damaged_frames += damage.frames;
        at += header->total_bytes;
        taken.bytes = at;
        taken.saw_commit = true;
    }
    return taken;
}

}  // namespace

/// A piece of a segment that is read.
struct LogScanner::Window {
    Segment segment;
    ScanCursor cursor;
    std::uint64_t end = 0;  ///< what lies behind it in the segment does not count
    CommitSequence upto;
    std::optional<SegmentSequence> following;
    AlignedBuffer memory;

    struct End {
        ScanCursor next;
        bool at_end = false;
        bool is_damaged = false;  ///< something that belongs there does not verify
    };
    /// Visits the frames of commits that are whole in the `bytes` that came.
    template <class Visit>
    Result<End> take(std::int32_t bytes, Visit visit) {
        if (bytes < 0) {
            return fail(
                Errc::io,
                "cannot read " + segment.path + ": " + std::generic_category().message(-bytes),
                -bytes);
        }
        const auto came = std::span<const std::byte>(memory.span())
                              .first(std::min<std::uint64_t>(static_cast<std::size_t>(bytes),
                                                             end - cursor.position.value));
        const auto taken = take_commits(came, segment.header.hash_seed, upto, visit);
        const End behind{
            .next = {.segment = cursor.segment, .position = cursor.position + taken.bytes},
            .is_damaged = taken.damaged_frames > 0};
        if (taken.saw_commit) {
            return behind;
        }
        if (taken.is_beyond_limit || !following) {
            return End{.next = behind.next, .at_end = true};
        }
        return End{.next = {.segment = *following, .position = Position{disk_alignment}}};
    }

    template <class Done>
    void read(Done done) {
        auto& file = *segment.file;
        file.read(cursor.position, memory.span(), std::move(done));
    }
};

std::shared_ptr<LogScanner::Window> LogScanner::window_at(AnySegment at,
                                                          ScanCursor from,
                                                          std::size_t bytes_max,
                                                          CommitSequence upto) const {
    const auto next = std::next(at);
    auto window = std::make_shared<Window>();
    window->segment = at->second;
    window->cursor = at->first == from.segment
                         ? from
                         : ScanCursor{.segment = at->first, .position = Position{0}};
    window->cursor.position = std::max(window->cursor.position, Position{disk_alignment});
    window->end =
        std::max(align_up(used_bytes_(at->first), disk_alignment), window->cursor.position.value);
    window->upto = upto;
    if (next != files_.segments().end()) {
        window->following = next->first;
    }
    const auto wanted = std::clamp(bytes_max, commit_read_bytes, 2 * commit_read_bytes);
    const auto left = std::max<std::uint64_t>(window->end - window->cursor.position.value, 1);
    window->memory = AlignedBuffer(align_up(std::min<std::uint64_t>(wanted, left), disk_alignment));
    return window;
}

Result<ScanResult> LogScanner::take_records(Window& window, std::int32_t bytes) {
    ScanResult result;
    MILLRACE_TRY(const auto end, window.take(bytes, [&result](const FrameView& frame) {
        if (frame.kind == FrameKind::entry && frame.entry_type == entry_type_records) {
            result.runs.insert(result.runs.end(), frame.payload.begin(), frame.payload.end());
        }
    }));
    result.next = end.next;
    result.at_end = end.at_end;
    return result;
}

Result<EntryScanResult> LogScanner::take_entries(const std::shared_ptr<Window>& window,
                                                 std::int32_t bytes,
                                                 GroupId group) {
    EntryScanResult result{.entries = {}, .memory = window, .next = {}};
    MILLRACE_TRY(const auto end, window->take(bytes, [&result, group](const FrameView& frame) {
        if (frame.kind == FrameKind::entry && frame.group == group) {
            result.entries.push_back(frame);
        }
    }));
    if (end.is_damaged) {
        return fail(Errc::corrupt, "an entry in " + window->segment.path + " does not verify");
    }
    result.next = end.next;
    result.at_end = end.at_end;
    return result;
}

void LogScanner::scan(ScanCursor from, std::size_t bytes_max, CommitSequence upto, ScanDone done) {
    const auto& segments = files_.segments();
    const auto at = segments.lower_bound(from.segment);
    if (at == segments.end()) {
        done(ScanResult{.runs = {}, .next = from, .at_end = true});
        return;
    }
    if (at->second.header.is_rewritten()) {
        const auto next = std::next(at);
        const auto begin = at->first == from.segment ? from.position : Position{0};
        const auto behind = next == segments.end() ? at->first + 1 : next->first;
        ordered_.scan(at->second,
                      {.segment = at->first, .position = begin},
                      bytes_max,
                      {.segment = behind, .position = Position{disk_alignment}},
                      std::move(done));
        return;
    }
    const auto window = window_at(at, from, bytes_max, upto);
    window->read([window, done = std::move(done)](std::int32_t bytes) {
        done(take_records(*window, bytes));
    });
}

void LogScanner::scan_entries(GroupId group,
                              ScanCursor from,
                              CommitSequence upto,
                              EntryScanDone done) {
    const auto at = files_.segments().lower_bound(from.segment);
    if (at == files_.segments().end()) {
        done(EntryScanResult{.entries = {}, .memory = {}, .next = from, .at_end = true});
        return;
    }
    if (at->second.header.is_rewritten()) {
        done(fail(Errc::not_found, at->second.path + " was rewritten and has no entries any more"));
        return;
    }
    const auto window = window_at(at, from, commit_read_bytes, upto);
    window->read([window, group, done = std::move(done)](std::int32_t bytes) {
        done(take_entries(window, bytes, group));
    });
}

}  // namespace millrace::storage
