#include "storage/index/batch_index.hpp"

#include <algorithm>
#include <span>
#include <utility>

namespace millrace::storage {
namespace {

/// A read parses whole chunks, so that they are no longer than a read likes.
constexpr std::size_t chunk_entries_max = 256;

/// Calls `visit` for each chunk of the batches that a partition has in a segment.
template <class Visit>
void for_each_chunk(SegmentSequence segment, std::span<const BatchEntry> entries, Visit visit) {
    while (!entries.empty()) {
        const auto part = entries.first(std::min(entries.size(), chunk_entries_max));
        Chunk chunk{.segment = segment, .entries = {part.begin(), part.end()}};
        for (const auto& entry : part) {
            chunk.live_bytes += entry.run_bytes;
        }
        visit(chunk);
        entries = entries.subspan(part.size());
    }
}

}  // namespace

Result<void> BatchIndex::load() {
    cache_.clear();
    std::optional<Error> broken;
    MILLRACE_TRY(
        store_.visit(partition_prefix, "", [&](std::string_view key, std::string_view value) {
            auto row = parse_partition_row(value);
            if (!row) {
                broken = row.error();
                return false;
            }
            live_bytes_ += row.value().live_bytes;
            auto& known = partitions_[partition_of_key(key)];
            static_cast<PartitionRow&>(known) = row.value();
            known.sealed_end = known.next;
            return true;
        }));
    MILLRACE_TRY(
        store_.visit(segment_prefix, "", [&](std::string_view key, std::string_view value) {
            auto row = parse_segment_row(value);
            if (!row) {
                broken = row.error();
                return false;
            }
            sealed_[segment_of_key(key)] = row.value();
            last_time_us_ = std::max(last_time_us_, row.value().last_time_us);
            return true;
        }));
    if (broken) {
        return *broken;
    }
    return ok();
}

void BatchIndex::add(SegmentSequence segment, const BatchHeader& header, Position position) {
    last_time_us_ = std::max(last_time_us_, header.append_time_us);
    const auto [found, is_first] = partitions_.try_emplace(header.partition);
    auto& known = found->second;
    if (header.base_offset < known.next) {
        return;
    }
    if (header.base_offset > known.next) {
        gaps_[{header.partition, header.base_offset}] = {
            .was_known = !is_first, .first = known.first, .next = known.next};
    }
    known.first = is_first ? header.base_offset : known.first;
    const BatchEntry entry{.base_offset = header.base_offset,
                           .record_count = header.record_count,
                           .run_bytes = static_cast<std::uint32_t>(header.run_bytes()),
                           .position = position.value,
                           .append_time_us = header.append_time_us};
    open_entries(segment, header.partition, known).push_back(entry);
    ++known.open_count;
    known.next = entry.end();
    known.live_bytes += entry.run_bytes;
    live_bytes_ += entry.run_bytes;
}

std::vector<BatchEntry>& BatchIndex::open_entries(SegmentSequence segment,
                                                  PartitionId partition,
                                                  Known& known) {
    if (known.open_entries != nullptr && known.open == segment) {
        return *known.open_entries;
    }
    auto& batches = unsealed_[segment];
    if (!batches) {
        batches = std::make_shared<SegmentBatches>();
    }
    auto& entries = (*batches)[partition];
    // About as many as in the segment before: thousands of vectors that grow step by step cost more
    // than what they hold.
    const auto count = known.open == segment ? 0 : std::exchange(known.open_count, 0);
    entries.reserve(std::min(count, chunk_entries_max));
    known.open = segment;
    known.open_entries = &entries;
    return entries;
}

void BatchIndex::add_run(SegmentSequence segment,
                         Position position,
                         std::span<const std::byte> run) {
    while (const auto header = load_batch_header(run)) {
        add(segment, *header, position);
        run = run.subspan(header->run_bytes());
        position += header->run_bytes();
    }
}

void BatchIndex::keep_end(PartitionId partition, Offset next) {
    auto& row = partitions_[partition];
    row.first = row.live_bytes == 0 ? std::max(row.first, next) : row.first;
    row.next = std::max(row.next, next);
    for (auto at = gaps_.lower_bound({partition, Offset{0}});
         at != gaps_.end() && at->first.first == partition;
         ++at) {
        auto& gap = at->second;
        if (gap.next < next) {
            const bool was_empty = !gap.was_known || gap.first == gap.next;
            gap = {.was_known = true, .first = was_empty ? next : gap.first, .next = next};
        }
    }
}

void BatchIndex::add_bare_partitions(KeyValueBatch& batch) const {
    for (const auto& [partition, known] : partitions_) {
        auto row = sealed_row(partition);
        row.first = std::min(row.first, row.next);
        if (row.next.value > 0 && row.first == row.next) {
            batch.put(partition_key(partition), format_partition_row(row));
        }
    }
}

/// What lies in segments that are not sealed is added again from the log on the next start.
PartitionRow BatchIndex::sealed_row(PartitionId partition) const {
    PartitionRow row = partitions_.at(partition);
    bool is_first = true;
    for (const auto& [segment, batches] : unsealed_) {
        const auto found = batches->find(partition);
        if (found == batches->end() || found->second.empty()) {
            continue;
        }
        if (std::exchange(is_first, false)) {
            const auto begin = found->second.front().base_offset;
            const auto gap = gaps_.find({partition, begin});
            row.next = gap != gaps_.end() && gap->second.was_known ? gap->second.next : begin;
        }
        for (const auto& entry : found->second) {
            row.live_bytes -= std::min<std::uint64_t>(entry.run_bytes, row.live_bytes);
        }
    }
    return row;
}

void BatchIndex::set_partition_row(KeyValueBatch& batch, PartitionId partition) const {
    if (const auto found = partitions_.find(partition); found != partitions_.end()) {
        batch.put(partition_key(partition), format_partition_row(sealed_row(partition)));
    } else {
        batch.erase(partition_key(partition));
    }
}

PartitionRow BatchIndex::row_at_end_of(SegmentSequence segment,
                                       PartitionId partition,
                                       const std::vector<BatchEntry>& entries) const {
    // What later segments added is added again from the log on the next start.
    PartitionRow row = partitions_.at(partition);
    bool is_last = true;
    for (auto later = unsealed_.upper_bound(segment); later != unsealed_.end(); ++later) {
        const auto found = later->second->find(partition);
        if (found == later->second->end()) {
            continue;
        }
        is_last = false;
        for (const auto& entry : found->second) {
            row.live_bytes -= std::min<std::uint64_t>(entry.run_bytes, row.live_bytes);
        }
    }
    // Otherwise the partition may be further than its last batch, see `keep_end`.
    row.next = is_last ? row.next : entries.back().end();
    return row;
}

SealJob BatchIndex::begin_seal(SegmentSequence segment, SegmentRow row) const {
    SealJob job{.segment = segment, .row = row};
    const auto found = unsealed_.find(segment);
    job.batches = found == unsealed_.end() ? std::make_shared<SegmentBatches>() : found->second;
    job.row.live_bytes = 0;
    // Append times are ahead of the clock where that was set back.
    job.row.last_time_us = std::max(row.last_time_us, last_time_of_unsealed(segment));
    for (const auto& [partition, entries] : *job.batches) {
        job.partitions.emplace_back(partition, row_at_end_of(segment, partition, entries));
        for (const auto& entry : entries) {
            job.row.live_bytes += entry.run_bytes;
        }
    }
    job.row.batch_bytes = job.row.live_bytes;
    return job;
}

void SealJob::add_to(KeyValueBatch& batch) const {
    for (const auto& [partition, entries] : *batches) {
        for_each_chunk(segment, entries, [&, of = partition](const Chunk& chunk) {
            batch.put(chunk_key(of, chunk.entries.front().base_offset), format_chunk(chunk));
        });
    }
    for (const auto& [partition, partition_row] : partitions) {
        batch.put(partition_key(partition), format_partition_row(partition_row));
    }
    batch.put(segment_key(segment), format_segment_row(row));
}

Result<void> BatchIndex::end_seal(const SealJob& job) {
    unsealed_.erase(job.segment);
    auto& row = sealed_[job.segment] = job.row;
    // Partitions that were dropped while the job ran have left their chunks behind.
    KeyValueBatch batch;
    bool changed = false;
    for (const auto& [partition, entries] : *job.batches) {
        forget_gaps(partition, entries.back().end());
        if (const auto known = partitions_.find(partition); known != partitions_.end()) {
            known->second.sealed_end = entries.back().end();
            if (known->second.open == job.segment) {
                known->second.open_entries = nullptr;
            }
            continue;
        }
        for_each_chunk(job.segment, entries, [&, of = partition](const Chunk& chunk) {
            row.live_bytes -= std::min(chunk.live_bytes, row.live_bytes);
            batch.erase(chunk_key(of, chunk.entries.front().base_offset));
        });
        batch.erase(partition_key(partition));
        changed = true;
    }
    if (!changed) {
        return ok();
    }
    batch.put(segment_key(job.segment), format_segment_row(row));
    return store_.write(std::move(batch), Durability::later);
}

PartitionBounds BatchIndex::bounds(PartitionId partition) const {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) {
        return {};
    }
    return {.first = found->second.first,
            .next = found->second.next,
            .live_bytes = found->second.live_bytes};
}

std::vector<PartitionId> BatchIndex::partitions() const {
    std::vector<PartitionId> all;
    all.reserve(partitions_.size());
    for (const auto& [partition, row] : partitions_) {
        all.push_back(partition);
    }
    return all;
}

UnixMicros BatchIndex::last_time_of_unsealed(SegmentSequence segment) const {
    UnixMicros last = 0;
    if (const auto found = unsealed_.find(segment); found != unsealed_.end()) {
        for (const auto& [partition, entries] : *found->second) {
            last = std::max(last, entries.back().append_time_us);
        }
    }
    return last;
}

}  // namespace millrace::storage
