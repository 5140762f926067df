#include "storage/log/batch_reader.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>

#include "storage/base/crc32c.hpp"
#include "storage/base/endian.hpp"
#include "storage/io/aligned_buffer.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t gap_bytes_max =
    64_KiB;  ///< reading over a smaller gap is cheaper than another read
constexpr std::size_t extent_bytes_max = 1_MiB;
constexpr std::size_t crc_at = 17;
constexpr std::size_t crc_from = 21;

/// Batches that one read fetches.
struct Extent {
    std::shared_ptr<File> file;
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::size_t first = 0;  ///< places
    std::size_t last = 0;
    AlignedBuffer memory;
    std::int32_t result = 0;
};

bool is_intact(std::span<const std::byte> run, PartitionId partition, const BatchEntry& entry) {
    const auto header = load_batch_header(run);
    if (!header || header->partition != partition || header->base_offset != entry.base_offset ||
        header->record_count != entry.record_count) {
        return false;
    }
    const auto batch = run.subspan(BatchHeader::bytes, header->batch_bytes);
    return batch.size() > crc_from &&
           load_be<std::uint32_t>(batch.subspan(crc_at)) == crc32c(batch.subspan(crc_from));
}

/// One read under way; lives as long as an extent of it is outstanding.
struct Job : std::enable_shared_from_this<Job> {
    PartitionId partition;
    std::vector<BatchPlace> places;
    std::vector<std::size_t> at;  ///< where each place's run begins in the result
    ReadResult result;
    std::vector<std::unique_ptr<Extent>> extents;
    std::vector<bool> is_from_disk;
    std::size_t outstanding = 0;
    ReadDone done;

    std::span<std::byte> run_of(std::size_t index) {
        return std::span(result.runs).subspan(at[index], places[index].entry.run_bytes);
    }
    void copy_extents() {
        for (const auto& extent : extents) {
            for (auto i = extent->first; i <= extent->last; ++i) {
                const auto offset =
                    places[i].entry.position - align_down(extent->begin, disk_alignment);
                const auto bytes = places[i].entry.run_bytes;
                // A short read leaves the run as zeros, which is not intact.
                const bool has_come = extent->result > 0 &&
                                      offset + bytes <= static_cast<std::size_t>(extent->result);
                std::ranges::copy(
                    extent->memory.span().subspan(has_come ? offset : 0, has_come ? bytes : 0),
                    run_of(i).begin());
            }
        }
    }
    void finish() {
        for (const auto& extent : extents) {
            if (extent->result < 0) {
                done(fail(Errc::io,
                          "cannot read: " + std::generic_category().message(-extent->result),
                          -extent->result));
                return;
            }
        }
        copy_extents();
        for (std::size_t i = 0; i < places.size(); ++i) {
            const auto& place = places[i];
            if (is_from_disk[i] && !is_intact(run_of(i), partition, place.entry)) {
                result.damage =
                    fail(Errc::corrupt,
                         "segment " + std::to_string(place.segment.value) + ", position " +
                             std::to_string(place.entry.position) + ": the batch at offset " +
                             std::to_string(place.entry.base_offset.value) + " is corrupt");
                result.skip_to = place.entry.end();
                result.next = place.entry.base_offset;
                result.runs.resize(at[i]);
                break;
            }
            result.next = place.entry.end();
        }
        done(std::move(result));
    }
    void issue(Extent& extent) {
        const auto begin = align_down(extent.begin, disk_alignment);
        extent.memory = AlignedBuffer(align_up(extent.end, disk_alignment) - begin);
        extent.file->read(Position{begin},
                          extent.memory.span(),
                          [self = shared_from_this(), &extent](std::int32_t bytes) {
                              extent.result = bytes;
                              if (--self->outstanding == 0) {
                                  self->finish();
                              }
                          });
    }
};

bool joins(const Extent& extent, const std::shared_ptr<File>& file, const BatchEntry& entry) {
    return extent.file == file && entry.position >= extent.end &&
           entry.position - extent.end <= gap_bytes_max &&
           entry.position + entry.run_bytes - extent.begin <= extent_bytes_max;
}

}  // namespace

void BatchReader::read(PartitionId partition,
                       const std::vector<BatchPlace>& places,
                       ReadDone done) {
    auto job = std::make_shared<Job>();
    job->partition = partition;
    job->done = std::move(done);
    std::size_t bytes = 0;
    for (const auto& place : places) {
        job->at.push_back(bytes);
        bytes += place.entry.run_bytes;
    }
    job->places = places;
    job->is_from_disk.resize(places.size());
    job->result.runs.resize(bytes);
    for (std::size_t i = 0; i < places.size(); ++i) {
        const auto& [segment, entry] = places[i];
        if (writer_.copy_from_tail(segment, Position{entry.position}, job->run_of(i))) {
            continue;
        }
        job->is_from_disk[i] = true;
        const auto* const opened = files_.find(segment);
        if (opened == nullptr) {
            continue;  // zeros: reported as damage
        }
        if (!job->extents.empty() && job->extents.back()->last + 1 == i &&
            joins(*job->extents.back(), opened->file, entry)) {
            job->extents.back()->end = entry.position + entry.run_bytes;
            job->extents.back()->last = i;
            continue;
        }
        job->extents.push_back(
            std::make_unique<Extent>(Extent{.file = opened->file,
                                            .begin = entry.position,
                                            .end = entry.position + entry.run_bytes,
                                            .first = i,
                                            .last = i}));
    }
    job->outstanding = job->extents.size();
    if (job->extents.empty()) {
        job->finish();
        return;
    }
    for (const auto& extent : job->extents) {
        job->issue(*extent);
    }
}

}  // namespace millrace::storage
