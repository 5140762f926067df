#include "storage/log/batch_reader.hpp"

#include <algorithm>
#include <system_error>

#include "storage/base/bytes.hpp"
#include "storage/format/batch_check.hpp"

namespace millrace::storage {
namespace {

/// Fits a buffer, though it neither begins nor ends at a page.
constexpr std::size_t extent_bytes_max = ReadBuffers::buffer_bytes - 2 * disk_alignment;

/// Bytes that one operation reads.
struct Extent {
    std::shared_ptr<File> file;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::size_t first = 0;  ///< of `Job::from_disk`
    std::size_t last = 0;
    ReadBuffers::Taken memory;
    std::int32_t result = 0;

    /// What is read for a batch, nothing when it did not come: the read was short.
    [[nodiscard]] std::span<const std::byte> find(const BatchEntry& entry) const {
        const auto at = entry.position - align_down(begin, disk_alignment);
        const bool has_come =
            result > 0 && at + entry.run_bytes <= static_cast<std::size_t>(result);
        return memory.span().subspan(has_come ? at : 0, has_come ? entry.run_bytes : 0);
    }
};

enum class Source : std::uint8_t {
    nowhere,  ///< did not come
    tail,
    disk,
    left_out,  ///< no room
};

/// A batch and where its run goes.
struct Piece {
    BatchPlace place;
    std::size_t at = 0;  ///< of the job's memory
    Source source = Source::nowhere;
};

bool joins(const Extent& extent,
           const std::shared_ptr<File>& file,
           const BatchEntry& entry,
           std::size_t gap_bytes_max) {
    return extent.file == file && entry.position >= extent.end &&
           entry.position - extent.end <= gap_bytes_max &&
           entry.position + entry.run_bytes - extent.begin <= extent_bytes_max;
}

/// One read under way; lives as long as an extent of it is outstanding.
struct Job : std::enable_shared_from_this<Job> {
    std::vector<BatchReader::Part> parts;
    std::vector<Piece> pieces;  ///< part after part
    /// Not zeroed: a piece is looked at only when it has come.
    std::shared_ptr<std::byte[]> memory;  // NOLINT(modernize-avoid-c-arrays): as it says
    std::vector<std::size_t> from_disk;   ///< of `pieces`, as they lie in the log
    std::vector<std::unique_ptr<Extent>> extents;
    std::size_t outstanding = 0;
    std::size_t gap_bytes_max = 0;
    ReadAllDone done;

    [[nodiscard]] std::span<std::byte> run_of(const Piece& piece) const {
        return {memory.get() + piece.at, piece.place.entry.run_bytes};
    }
    void list_pieces();
    void plan_extents(const SegmentFiles& files);
    void issue(Extent& extent, ReadBuffers& buffers);
    void copy(Extent& extent);
    void finish();
    [[nodiscard]] ReadResult judge(const BatchReader::Part& part, std::span<const Piece> own) const;
};

void Job::list_pieces() {
    std::size_t count = 0;
    for (const auto& part : parts) {
        count += part.places.size();
    }
    pieces.reserve(count);
    from_disk.reserve(count);
    std::size_t bytes = 0;
    for (const auto& part : parts) {
        for (const auto& place : part.places) {
            pieces.push_back({.place = place, .at = bytes});
            bytes += place.entry.run_bytes;
        }
    }
    memory = std::make_shared_for_overwrite<std::byte[]>(bytes);  // NOLINT: as above
}

void Job::plan_extents(const SegmentFiles& files) {
    std::ranges::sort(from_disk, {}, [this](std::size_t index) {
        const auto& place = pieces[index].place;
        return std::pair(place.segment, place.entry.position);
    });
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < from_disk.size(); ++i) {
        auto& piece = pieces[from_disk[i]];
        const auto& entry = piece.place.entry;
        const auto* const opened = files.find(piece.place.segment);
        if (opened == nullptr) {
            continue;  // reported as damage
        }
        const auto end = entry.position + entry.run_bytes;
        auto* const last = extents.empty() ? nullptr : extents.back().get();
        const bool is_neighbour =
            last != nullptr && joins(*last, opened->file, entry, gap_bytes_max);
        const auto more = is_neighbour ? end - last->end : std::uint64_t{entry.run_bytes};
        if (bytes > 0 && bytes + more > BatchReader::disk_bytes_max) {
            piece.source = Source::left_out;
            continue;
        }
        bytes += more;
        if (is_neighbour) {
            last->end = end;
            last->last = i;
        } else {
            extents.push_back(std::make_unique<Extent>(Extent{
                .file = opened->file, .begin = entry.position, .end = end, .first = i, .last = i}));
        }
    }
}

void Job::issue(Extent& extent, ReadBuffers& buffers) {
    const auto begin = align_down(extent.begin, disk_alignment);
    extent.memory = buffers.take(align_up(extent.end, disk_alignment) - begin);
    extent.file->read(Position{begin},
                      extent.memory.span(),
                      [self = shared_from_this(), &extent](std::int32_t bytes) {
                          extent.result = bytes;
                          if (--self->outstanding == 0) {
                              self->finish();
                          }
                      });
}

void Job::copy(Extent& extent) {
    for (auto i = extent.first; i <= extent.last; ++i) {
        auto& piece = pieces[from_disk[i]];
        const auto run = extent.find(piece.place.entry);
        if (piece.source != Source::left_out && !run.empty()) {
            copy_bytes(run, run_of(piece));
            piece.source = Source::disk;
        }
    }
}

bool is_bad(const Piece& piece, std::span<const std::byte> run, PartitionId partition) {
    const auto& entry = piece.place.entry;
    return piece.source == Source::nowhere ||
           (piece.source == Source::disk && !is_intact(run,
                                                       {.partition = partition,
                                                        .base_offset = entry.base_offset,
                                                        .record_count = entry.record_count,
                                                        .append_time_us = entry.append_time_us}));
}

ReadResult Job::judge(const BatchReader::Part& part, std::span<const Piece> own) const {
    ReadResult result{.runs = {}, .next = part.from, .damage = std::nullopt, .skip_to = {}};
    std::size_t bytes = 0;
    for (const auto& piece : own) {
        if (piece.source == Source::left_out) {
            break;
        }
        const auto& [segment, entry] = piece.place;
        if (is_bad(piece, run_of(piece), part.partition)) {
            result.damage = fail(Errc::corrupt,
                                 "segment " + std::to_string(segment.value) + ", position " +
                                     std::to_string(entry.position) + ": the batch at offset " +
                                     std::to_string(entry.base_offset.value) + " is corrupt");
            result.skip_to = entry.end();
            result.next = entry.base_offset;
            result.damaged = segment;
            break;
        }
        bytes += entry.run_bytes;
        result.disk_bytes += piece.source == Source::disk ? entry.run_bytes : 0;
        result.next = entry.end();
    }
    if (bytes > 0) {
        result.runs = SharedBytes(memory, {memory.get() + own.front().at, bytes});
    }
    return result;
}

void Job::finish() {
    for (const auto& extent : extents) {
        if (extent->result < 0) {
            const auto error =
                fail(Errc::io,
                     "cannot read: " + std::generic_category().message(-extent->result),
                     -extent->result);
            done(std::vector<Result<ReadResult>>(parts.size(), error));
            return;
        }
    }
    for (const auto& extent : extents) {
        copy(*extent);
    }
    extents.clear();  // others may read into their memory
    std::span<const Piece> rest(pieces);
    std::vector<Result<ReadResult>> all;
    all.reserve(parts.size());
    for (const auto& part : parts) {
        const auto count = part.places.size();
        all.emplace_back(judge(part, rest.first(count)));
        rest = rest.subspan(count);
    }
    done(std::move(all));
}

}  // namespace

void BatchReader::read(std::vector<Part> parts, ReadAllDone done, std::size_t gap_bytes_max) {
    auto job = std::make_shared<Job>();
    job->parts = std::move(parts);
    job->gap_bytes_max = gap_bytes_max;
    job->done = std::move(done);
    job->list_pieces();
    for (std::size_t i = 0; i < job->pieces.size(); ++i) {
        auto& piece = job->pieces[i];
        const auto& [segment, entry] = piece.place;
        if (writer_.copy_from_tail(segment, Position{entry.position}, job->run_of(piece))) {
            piece.source = Source::tail;
        } else {
            job->from_disk.push_back(i);
        }
    }
    job->plan_extents(files_);
    job->outstanding = job->extents.size();
    if (job->extents.empty()) {
        job->finish();
        return;
    }
    for (const auto& extent : job->extents) {
        job->issue(*extent, buffers_);
    }
}

}  // namespace millrace::storage
