#include <algorithm>

#include "storage/index/batch_index.hpp"

// How batches, partitions and segments leave the index, and move in it.

namespace millrace::storage {

Result<void> BatchIndex::drop_front(PartitionId partition,
                                    const std::function<bool(const ChunkAge&)>& is_expired) {
    const auto found = partitions_.find(partition);
    if (found == partitions_.end()) {
        return ok();
    }
    auto& row = found->second;
    KeyValueBatch batch;
    bool changed = false;
    std::optional<Error> broken;
    MILLRACE_TRY(store_.visit(
        chunk_prefix(partition), "", [&](std::string_view key, std::string_view value) {
            const auto chunk = parse_chunk(value);
            if (!chunk) {
                broken = chunk.error();
                return false;
            }
            const auto segment = sealed_.find(chunk.value().segment);
            const auto bytes = chunk.value().live_bytes;
            if (segment == sealed_.end() ||
                !is_expired({.last_time_us = chunk.value().entries.back().append_time_us,
                             .live_bytes = bytes,
                             .partition_bytes = row.live_bytes})) {
                return false;
            }
            segment->second.live_bytes -= std::min(bytes, segment->second.live_bytes);
            row.live_bytes -= std::min(bytes, row.live_bytes);
            live_bytes_ -= std::min(bytes, live_bytes_);
            row.first = chunk.value().end();
            batch.erase(key);
            batch.put(segment_key(segment->first), format_segment_row(segment->second));
            changed = true;
            return true;
        }));
    if (broken) {
        return *broken;
    }
    if (!changed) {
        return ok();
    }
    cache_.drop(found->second.held);
    set_partition_row(batch, partition);
    return store_.write(std::move(batch), Durability::later);
}

void BatchIndex::take_back_run(SegmentSequence segment,
                               Position position,
                               std::span<const std::byte> run) {
    const auto lies_in = unsealed_.find(segment);
    if (lies_in == unsealed_.end()) {
        return;
    }
    std::vector<std::pair<PartitionId, std::uint64_t>> places;
    while (const auto header = load_batch_header(run)) {
        places.emplace_back(header->partition, position.value);
        run = run.subspan(header->run_bytes());
        position += header->run_bytes();
    }
    for (auto at = places.rbegin(); at != places.rend(); ++at) {
        const auto& [partition, place] = *at;
        const auto batches = lies_in->second->find(partition);
        if (batches == lies_in->second->end() || batches->second.empty() ||
            batches->second.back().position != place) {
            continue;
        }
        const auto entry = batches->second.back();
        batches->second.pop_back();
        auto& known = partitions_[partition];
        if (batches->second.empty()) {
            lies_in->second->erase(batches);
            known.open_entries = nullptr;
        }
        known.next = entry.base_offset;
        known.live_bytes -= std::min<std::uint64_t>(entry.run_bytes, known.live_bytes);
        live_bytes_ -= std::min<std::uint64_t>(entry.run_bytes, live_bytes_);
        end_before_gap(partition, entry.base_offset);
    }
}

/// The batch there is taken back: as if it had not come.
void BatchIndex::end_before_gap(PartitionId partition, Offset behind) {
    const auto gap = gaps_.extract({partition, behind});
    if (gap.empty()) {
        return;
    }
    auto& known = partitions_[partition];
    if (!gap.mapped().was_known) {
        cache_.drop(known.held);
        partitions_.erase(partition);
        return;
    }
    const auto& [was_known, first, next] = gap.mapped();
    known.first = std::min(std::max(known.first, first), next);  // retention may have gone on
    known.next = next;
}

void BatchIndex::forget_gaps(PartitionId partition, Offset upto) {
    gaps_.erase(gaps_.lower_bound({partition, Offset{0}}), gaps_.lower_bound({partition, upto}));
}

Result<void> BatchIndex::drop_partition(PartitionId partition) {
    MILLRACE_TRY(drop_front(partition, [](const ChunkAge&) { return true; }));
    if (const auto found = partitions_.find(partition); found != partitions_.end()) {
        live_bytes_ -= std::min(found->second.live_bytes, live_bytes_);
        cache_.drop(found->second.held);
        partitions_.erase(found);
    }
    forget_gaps(partition, Offset{UINT64_MAX});
    for (auto& [segment, batches] : unsealed_) {
        if (batches.use_count() > 1) {
            // A seal job reads this one.
            batches = std::make_shared<SegmentBatches>(*batches);
            for (auto& [other, known] : partitions_) {
                known.open_entries = nullptr;
            }
        }
        batches->erase(partition);
    }
    KeyValueBatch batch;
    batch.erase(partition_key(partition));
    return store_.write(std::move(batch), Durability::later);
}

Result<void> BatchIndex::move_batches(SegmentSequence segment,
                                      std::uint64_t used_bytes,
                                      std::uint32_t generation,
                                      const std::vector<MovedChunk>& chunks) {
    auto row = sealed_.at(segment);
    row.used_bytes = used_bytes;
    row.generation = generation;
    row.batch_bytes = row.live_bytes;
    KeyValueBatch batch;
    for (const auto& [partition, first, chunk] : chunks) {
        const auto found = partitions_.find(partition);
        if (found != partitions_.end() && first >= found->second.first) {
            batch.put(chunk_key(partition, first), chunk);
        }
    }
    batch.put(segment_key(segment), format_segment_row(row));
    cache_.drop_segment(segment);
    MILLRACE_TRY(store_.write(std::move(batch), Durability::later));
    sealed_[segment] = row;
    return ok();
}

void BatchIndex::forget_segment(KeyValueBatch& batch, SegmentSequence segment) {
    batch.erase(segment_key(segment));
    cache_.drop_segment(segment);
    sealed_.erase(segment);
}

}  // namespace millrace::storage
