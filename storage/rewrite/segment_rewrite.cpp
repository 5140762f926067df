#include "storage/rewrite/segment_rewrite.hpp"

#include <algorithm>
#include <cstring>
#include <string>
#include <unordered_map>
#include <utility>

#include "storage/base/batch_header.hpp"
#include "storage/base/bytes.hpp"
#include "storage/base/random.hpp"
#include "storage/format/batch_check.hpp"
#include "storage/io/aligned_buffer.hpp"
#include "storage/log/frame_reader.hpp"
#include "storage/log/recovery.hpp"
#include "storage/rewrite/rewrite_layout.hpp"

namespace millrace::storage {
namespace {

/// What the file says before it is rewritten.
struct Contents {
    std::map<PartitionId, Offset> first;  ///< of each partition's batches, dead ones included
    std::unordered_map<std::uint64_t, std::uint64_t>
        appended_at;  ///< by position, where they differ
    CommitSequence first_commit;
    CommitSequence last_commit;
    UnixMicros first_time_us = 0;
    UnixMicros last_time_us = 0;
};

/// A row of the index, whose entries are the next ones of the layout's moves.
struct OwnChunk {
    PartitionId partition;
    Chunk chunk;
};

class Rewrite {
  public:
    Rewrite(Disk& disk, const KeyValueStore& rows, const RewriteTask& task, Pace& pace)
        : disk_(disk), rows_(rows), task_(task), pace_(pace) {}

    Result<RewrittenSegment> run() {
        MILLRACE_TRY(read_contents());
        MILLRACE_TRY(list_chunks());
        if (chunks_.empty()) {
            return fail(Errc::not_found, what() + "nothing of it is alive");
        }
        // Recovery has the commits before and behind it follow each other: there may be fewer.
        const auto commits_max = contents_.last_commit.value - contents_.first_commit.value + 1;
        layout_ = lay_out(list_moves(), task_.commit_bytes_max);
        if (layout_.commits.size() > commits_max) {
            layout_ = lay_out(list_moves(), 2 * task_.commit_bytes_max);
        }
        if (layout_.commits.size() > commits_max) {
            return fail(Errc::limit_reached, what() + "has too few commits to be rewritten");
        }
        auto written = write();
        if (!written) {
            // Gives the space back; the first error is the one to report.
            (void)disk_.remove(new_path());
            (void)disk_.remove(task_.path);
        }
        return written;
    }

  private:
    [[nodiscard]] std::string what() const {
        return "segment " + std::to_string(task_.segment.header.sequence.value) + ": ";
    }
    [[nodiscard]] std::string new_path() const { return task_.path + ".new"; }

    Result<void> read_contents() {
        Result<void> outcome = ok();
        const auto take = [&](const FrameView& frame, FramePlace place) {
            outcome = outcome ? take_frame(frame) : outcome;
            contents_.first_commit =
                contents_.first_commit.value == 0 ? place.commit : contents_.first_commit;
        };
        MILLRACE_TRY(const auto scan,
                     scan_segment(task_.segment,
                                  {.after = {},
                                   .commits_in_flight_max = 0,
                                   .following = nullptr,
                                   .used_bytes = task_.used_bytes},
                                  take));
        MILLRACE_TRY(outcome);
        if (scan.quarantined > 0 || scan.used_bytes < task_.used_bytes) {
            return fail(Errc::corrupt, what() + "something of it does not verify");
        }
        contents_.last_commit = scan.last;
        contents_.first_time_us = scan.first_time_us;
        contents_.last_time_us = scan.last_time_us;
        return ok();
    }

    Result<void> take_frame(const FrameView& frame) {
        MILLRACE_TRY(pace_.spend(frame.payload.size()));
        if (frame.kind == FrameKind::relocated && frame.entry_type == entry_type_order) {
            std::vector<OrderedBatch> batches;
            MILLRACE_TRY(parse_append_order(frame.payload, batches));
            for (const auto& batch : batches) {
                contents_.appended_at[batch.position] = batch.appended_at;
            }
            return ok();
        }
        const bool has_batches =
            (frame.kind == FrameKind::entry || frame.kind == FrameKind::relocated) &&
            frame.entry_type == entry_type_records;
        auto rest = has_batches ? frame.payload : std::span<const std::byte>();
        while (const auto header = load_batch_header(rest)) {
            const auto [found, is_new] =
                contents_.first.try_emplace(header->partition, header->base_offset);
            found->second = std::min(found->second, header->base_offset);
            rest = rest.subspan(header->run_bytes());
        }
        return ok();
    }

    /// What the index has in the segment, in the order of the new file.
    Result<void> list_chunks() {
        for (const auto& [partition, first] : contents_.first) {
            MILLRACE_TRY(list_chunks_of(partition, first));
        }
        return ok();
    }

    Result<void> list_chunks_of(PartitionId partition, Offset first) {
        const auto segment = task_.segment.header.sequence;
        Result<void> outcome = ok();
        const auto take = [&](std::string_view, std::string_view value) {
            auto chunk = parse_chunk(value);
            if (!chunk) {
                outcome = chunk.error();
                return false;
            }
            const auto lies_in = chunk.value().segment;
            if (lies_in == segment) {
                chunks_.push_back({.partition = partition, .chunk = std::move(chunk).value()});
            }
            return lies_in <= segment;
        };
        MILLRACE_TRY(
            rows_.visit_around(chunk_prefix(partition), chunk_key(partition, first), take));
        return outcome;
    }

    [[nodiscard]] std::vector<BatchMove> list_moves() const {
        std::vector<BatchMove> moves;
        for (const auto& [partition, chunk] : chunks_) {
            for (const auto& entry : chunk.entries) {
                const auto found = contents_.appended_at.find(entry.position);
                const bool is_known = found != contents_.appended_at.end();
                moves.push_back({.batch = {.appended_at = is_known ? found->second : entry.position,
                                           .partition = partition,
                                           .base_offset = entry.base_offset,
                                           .record_count = entry.record_count,
                                           .run_bytes = entry.run_bytes},
                                 .from = entry.position});
            }
        }
        return moves;
    }

    Result<RewrittenSegment> write() {
        MILLRACE_TRY(auto file, SegmentMaker::create(disk_, new_path()));
        auto header = task_.segment.header;
        header.hash_seed = entropy_seed();
        header.order_block = layout_.order_block;
        for (std::size_t first = 0; first < layout_.commits.size();) {
            auto last = first;
            std::size_t bytes = 0;
            do {
                bytes += layout_.commits[last++].disk_bytes();
            } while (last < layout_.commits.size() &&
                     bytes + layout_.commits[last].disk_bytes() <= task_.memory_bytes_max);
            MILLRACE_TRY(write_commits(*file, header, first, last, bytes));
            first = last;
        }
        MILLRACE_TRY(SegmentMaker::finish(disk_,
                                          *file,
                                          {.header = header,
                                           .directory = task_.directory,
                                           .path = task_.path,
                                           .source = new_path()}));
        return RewrittenSegment{.segment = {.header = header,
                                            .file = std::move(file),
                                            .path = task_.path,
                                            .file_bytes = layout_.file_bytes,
                                            .generation = task_.segment.generation + 1},
                                .chunks = move_chunks()};
    }

    /// Those from `first` to before `last`, as they lie on disk.
    Result<void> write_commits(File& file,
                               const SegmentHeader& header,
                               std::size_t first,
                               std::size_t last,
                               std::size_t bytes) {
        const auto commits = std::span(layout_.commits).subspan(first, last - first);
        AlignedBuffer memory(bytes);
        std::memset(memory.span().data(), 0, bytes);
        MILLRACE_TRY(gather(commits, memory.span()));
        auto sequence = contents_.first_commit + first;
        for (const auto& commit : commits) {
            const auto out = memory.span().subspan(commit.position - commits.front().position,
                                                   commit.disk_bytes());
            finish_commit(commit, header, sequence, out);
            MILLRACE_TRY(file.write_now(Position{commit.position}, out));
            MILLRACE_TRY(pace_.spend(out.size()));
            ++sequence;
        }
        return ok();
    }

    /// Copies the batches of the commits to their places, in the order in which they are read.
    Result<void> gather(std::span<const PlacedCommit> commits, std::span<std::byte> out) {
        const auto base = commits.front().position;
        std::vector<const BatchMove*> moves;
        for (const auto& commit : commits) {
            for (std::size_t i = 0; i < commit.move_count; ++i) {
                moves.push_back(&layout_.moves[commit.first_move + i]);
            }
        }
        std::ranges::sort(moves, {}, &BatchMove::from);
        FileWindow window(*task_.segment.file, task_.used_bytes + disk_alignment);
        for (const auto* const move : moves) {
            const auto& batch = move->batch;
            const auto begin = align_down(move->from, disk_alignment);
            const auto skip = move->from - begin;
            MILLRACE_TRY(const auto bytes, window.at(begin, skip + batch.run_bytes));
            const auto run = bytes.subspan(std::min(skip, bytes.size()));
            if (!is_intact(run,
                           {.partition = batch.partition,
                            .base_offset = batch.base_offset,
                            .record_count = batch.record_count})) {
                return fail(Errc::corrupt,
                            what() + "position " + std::to_string(move->from) +
                                ": a batch does not verify");
            }
            copy_bytes(run, out.subspan(batch.position - base, batch.run_bytes));
            MILLRACE_TRY(pace_.spend(batch.run_bytes));
        }
        return ok();
    }

    void finish_commit(const PlacedCommit& commit,
                       const SegmentHeader& header,
                       CommitSequence sequence,
                       std::span<std::byte> out) const {
        const auto seed = seed_of(header.hash_seed, sequence);
        for (const auto& frame : commit.frames) {
            const auto place = out.subspan(frame.at, frame_bytes(frame.payload_bytes));
            const auto payload = place.subspan(frame_header_bytes, frame.payload_bytes);
            const bool is_order = !frame.order.empty();
            copy_bytes(std::as_bytes(std::span(frame.order)), payload);
            store_frame_header(place,
                               {.kind = FrameKind::relocated,
                                .entry_type = is_order ? entry_type_order : entry_type_records,
                                .batch_count = frame.batch_count,
                                .payload = payload},
                               seed);
        }
        store_commit_header(out,
                            {.total_bytes = static_cast<std::uint32_t>(out.size()),
                             .sequence = sequence,
                             .writer_epoch = static_cast<std::uint32_t>(header.writer_epoch),
                             .frame_count = static_cast<std::uint32_t>(commit.frames.size()),
                             .first_time_us = contents_.first_time_us,
                             .last_time_us = contents_.last_time_us},
                            header.hash_seed);
    }

    /// The index's rows of the segment with the places where the batches lie now.
    std::vector<BatchIndex::MovedChunk> move_chunks() {
        std::vector<BatchIndex::MovedChunk> moved;
        auto move = layout_.moves.begin();
        for (auto& [partition, chunk] : chunks_) {
            for (auto& entry : chunk.entries) {
                entry.position = (move++)->batch.position;
            }
            moved.push_back({.partition = partition,
                             .first = chunk.entries.front().base_offset,
                             .row = format_chunk(chunk)});
        }
        return moved;
    }

    Disk& disk_;
    const KeyValueStore& rows_;
    const RewriteTask& task_;
    Pace& pace_;
    Contents contents_;
    std::vector<OwnChunk> chunks_;
    RewriteLayout layout_;
};

}  // namespace

Result<RewrittenSegment> rewrite_segment(Disk& disk,
                                         const KeyValueStore& rows,
                                         const RewriteTask& task,
                                         Pace& pace) {
    return Rewrite(disk, rows, task, pace).run();
}

}  // namespace millrace::storage
