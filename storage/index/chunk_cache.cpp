#include "storage/index/chunk_cache.hpp"

#include <algorithm>
#include <iterator>

namespace millrace::storage {
namespace {

/// A row counts as used lately for so many looks, by the number of rows.
constexpr std::uint64_t looks_per_row = 4;

/// With its place in the list and among those of its partition, about.
std::size_t bytes_of(std::string_view row) {
    constexpr std::size_t places = 6 * sizeof(void*);
    return sizeof(ChunkCache::Held) + row.size() + places;
}

}  // namespace

ChunkCache::ChunkCache(ShardId shard, MetricsRegistry& metrics, std::size_t bytes_max)
    : bytes_max_(bytes_max),
      seeks_(metrics.counter("millrace_storage_index_seeks_total",
                             "Reads that asked the index on disk where batches lie.",
                             shard_label(shard))),
      spared_(metrics.counter("millrace_storage_index_seeks_spared_total",
                              "Reads that went on in a row of the index that was held.",
                              shard_label(shard))),
      held_bytes_(metrics.gauge("millrace_storage_index_rows_held_bytes",
                                "Memory for rows of the index that reads go on in.",
                                shard_label(shard))) {}

ChunkCache::Held* ChunkCache::find(PartitionId partition, Offset offset) {
    ++looks_;
    const auto found = by_partition_.find(partition);
    if (found == by_partition_.end()) {
        return nullptr;
    }
    const auto behind = std::ranges::upper_bound(
        found->second, offset, {}, [](const auto& row) { return row->first; });
    if (behind == found->second.begin()) {
        return nullptr;
    }
    return &**std::prev(behind);
}

void ChunkCache::note_use(Held& row) {
    row.used_at = looks_;
    rows_.splice(rows_.end(), rows_, row.place);
}

void ChunkCache::add(PartitionId partition, Offset first, std::string_view row) {
    const auto known = by_partition_.find(partition);
    if (known != by_partition_.end()) {
        const auto same =
            std::ranges::find(known->second, first, [](const auto& other) { return other->first; });
        if (same != known->second.end()) {
            erase(*same);
        }
    }
    if (!make_room(bytes_of(row))) {
        return;
    }
    const auto added = rows_.emplace(rows_.end(), partition, first, row);
    added->used_at = looks_;
    added->place = added;
    auto& own = by_partition_[partition];
    own.insert(
        std::ranges::upper_bound(own, first, {}, [](const auto& other) { return other->first; }),
        added);
    bytes_ += bytes_of(row);
    held_bytes_.set(static_cast<std::int64_t>(bytes_));
}

bool ChunkCache::make_room(std::size_t bytes) {
    while (bytes_ + bytes > bytes_max_) {
        if (rows_.empty() || looks_ - rows_.front().used_at < looks_per_row * rows_.size()) {
            return false;
        }
        erase(rows_.begin());
    }
    return true;
}

void ChunkCache::erase(Rows::iterator row) {
    const auto found = by_partition_.find(row->partition);
    std::erase(found->second, row);
    if (found->second.empty()) {
        by_partition_.erase(found);
    }
    bytes_ -= bytes_of(row->row);
    held_bytes_.set(static_cast<std::int64_t>(bytes_));
    rows_.erase(row);
}

void ChunkCache::drop(PartitionId partition) {
    while (true) {
        const auto found = by_partition_.find(partition);
        if (found == by_partition_.end()) {
            return;
        }
        erase(found->second.back());
    }
}

void ChunkCache::drop_segment(SegmentSequence segment) {
    for (auto at = rows_.begin(); at != rows_.end();) {
        const auto row = at++;
        if (row->at.segment() == segment) {
            erase(row);
        }
    }
}

void ChunkCache::clear() {
    rows_.clear();
    by_partition_.clear();
    bytes_ = 0;
    held_bytes_.set(0);
}

}  // namespace millrace::storage
