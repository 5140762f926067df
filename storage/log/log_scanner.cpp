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

void append_runs(std::span<const std::byte> commit,
                 const CommitHeader& header,
                 std::uint64_t hash_seed,
                 std::vector<std::byte>& out) {
    walk_frames(commit, header, hash_seed, [&out](const FrameView& frame, std::size_t) {
        if (frame.kind == FrameKind::entry && frame.entry_type == entry_type_records) {
            out.insert(out.end(), frame.payload.begin(), frame.payload.end());
        }
    });
}

struct Taken {
    std::size_t bytes = 0;  ///< of the window; the scan goes on behind them
    bool saw_commit = false;
    bool is_beyond_limit = false;
};

/// Takes the whole commits at the front of a window, stepping over what does not verify.
Taken take_commits(std::span<const std::byte> window,
                   const Segment& segment,
                   CommitSequence upto,
                   std::vector<std::byte>& runs) {
    Taken taken;
    for (std::size_t at = 0; at + disk_alignment <= window.size();) {
        const auto header = load_commit_header(window.subspan(at), segment.header.hash_seed);
        if (!header) {
            at += disk_alignment;
            continue;
        }
        taken.is_beyond_limit = header->sequence > upto;
        if (taken.is_beyond_limit || at + header->total_bytes > window.size()) {
            break;
        }
        append_runs(
            window.subspan(at, header->total_bytes), *header, segment.header.hash_seed, runs);
        at += header->total_bytes;
        taken.bytes = at;
        taken.saw_commit = true;
    }
    return taken;
}

/// One window under way.
struct ScanJob {
    Segment segment;
    ScanCursor cursor;
    std::uint64_t end = 0;  ///< what lies behind it in the segment does not count
    CommitSequence upto;
    std::optional<SegmentSequence> following;
    AlignedBuffer memory;
    ScanDone done;

    void finish(std::int32_t bytes) {
        if (bytes < 0) {
            done(
                fail(Errc::io,
                     "cannot read " + segment.path + ": " + std::generic_category().message(-bytes),
                     -bytes));
            return;
        }
        ScanResult result;
        const auto window = std::span<const std::byte>(memory.span())
                                .first(std::min<std::uint64_t>(static_cast<std::size_t>(bytes),
                                                               end - cursor.position.value));
        const auto taken = take_commits(window, segment, upto, result.runs);
        result.next = {.segment = cursor.segment, .position = cursor.position + taken.bytes};
        if (taken.is_beyond_limit) {
            result.at_end = !taken.saw_commit;
        } else if (!taken.saw_commit && following) {
            result.next = {.segment = *following, .position = Position{disk_alignment}};
        } else if (!taken.saw_commit) {
            result.at_end = true;
        }
        done(std::move(result));
    }
};

}  // namespace

void LogScanner::scan(ScanCursor from, std::size_t bytes_max, CommitSequence upto, ScanDone done) {
    const auto& segments = files_.segments();
    const auto at = segments.lower_bound(from.segment);
    if (at == segments.end()) {
        done(ScanResult{.runs = {}, .next = from, .at_end = true});
        return;
    }
    const auto next = std::next(at);
    if (at->second.header.is_rewritten()) {
        const auto begin = at->first == from.segment ? from.position : Position{0};
        const auto behind = next == segments.end() ? at->first + 1 : next->first;
        ordered_.scan(at->second,
                      {.segment = at->first, .position = begin},
                      bytes_max,
                      {.segment = behind, .position = Position{disk_alignment}},
                      std::move(done));
        return;
    }
    auto job = std::make_shared<ScanJob>();
    job->segment = at->second;
    job->cursor = at->first == from.segment
                      ? from
                      : ScanCursor{.segment = at->first, .position = Position{0}};
    job->cursor.position = std::max(job->cursor.position, Position{disk_alignment});
    job->end =
        std::max(align_up(used_bytes_(at->first), disk_alignment), job->cursor.position.value);
    job->upto = upto;
    if (next != segments.end()) {
        job->following = next->first;
    }
    job->memory = AlignedBuffer(
        align_up(std::clamp(bytes_max, commit_read_bytes, 2 * commit_read_bytes), disk_alignment));
    job->done = std::move(done);
    auto& file = *job->segment.file;
    file.read(job->cursor.position, job->memory.span(), [job](std::int32_t bytes) {
        job->finish(bytes);
    });
}

}  // namespace millrace::storage
