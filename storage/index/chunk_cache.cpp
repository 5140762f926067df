#include "storage/index/chunk_cache.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace millrace::storage {
namespace {

/// A row counts as in use for so many looks, by the number of rows.
constexpr std::uint64_t looks_per_row = 4;
/// So many are looked at before a new one is turned away.
constexpr std::size_t looked_at_max = 8;

/// With its places, about.
std::size_t bytes_of(std::string_view row) {
    return sizeof(ChunkCache::Held) + row.size() + sizeof(void*) +
           2 * sizeof(ChunkCache::Rows::Place);
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

ChunkCache::Held* ChunkCache::find(const Rows& rows, Offset offset) {
    ++looks_;
    const auto behind = std::ranges::upper_bound(rows.places, offset, {}, &Rows::Place::first);
    return behind == rows.places.begin() ? nullptr : std::prev(behind)->row;
}

void ChunkCache::add(Rows& rows, Offset first, std::string_view row) {
    const auto same = std::ranges::find(rows.places, first, &Rows::Place::first);
    if (same != rows.places.end()) {
        erase(*same->row);
    }
    if (!make_room(bytes_of(row))) {
        return;
    }
    auto& added = *all_.emplace_back(std::make_unique<Held>(rows, row, first));
    added.used_at = looks_;
    added.number = all_.size() - 1;
    const auto behind = std::ranges::upper_bound(rows.places, first, {}, &Rows::Place::first);
    rows.places.insert(behind, {.first = first, .row = &added});
    bytes_ += bytes_of(row);
    held_bytes_.set(static_cast<std::int64_t>(bytes_));
}

bool ChunkCache::is_in_use(const Held& row) const {
    return looks_ - row.used_at < looks_per_row * all_.size();
}

bool ChunkCache::make_room(std::size_t bytes) {
    for (std::size_t count = 0; count < looked_at_max && bytes_ + bytes > bytes_max_; ++count) {
        if (all_.empty()) {
            return false;
        }
        hand_ = hand_ < all_.size() ? hand_ : 0;
        if (is_in_use(*all_[hand_])) {
            ++hand_;
        } else {
            erase(*all_[hand_]);
        }
    }
    return bytes_ + bytes <= bytes_max_;
}

void ChunkCache::erase(Held& row) {
    std::erase_if(row.rows.places, [&row](const Rows::Place& place) { return place.row == &row; });
    bytes_ -= bytes_of(row.row);
    held_bytes_.set(static_cast<std::int64_t>(bytes_));
    const auto number = row.number;
    std::swap(all_[number], all_.back());
    all_[number]->number = number;
    all_.pop_back();
}

void ChunkCache::drop(Rows& rows) {
    while (!rows.places.empty()) {
        erase(*rows.places.back().row);
    }
}

void ChunkCache::drop_segment(SegmentSequence segment) {
    for (auto number = all_.size(); number > 0; --number) {
        if (auto& row = *all_[number - 1]; row.at.segment() == segment) {
            erase(row);
        }
    }
}

void ChunkCache::clear() {
    all_.clear();
    bytes_ = 0;
    held_bytes_.set(0);
}

}  // namespace millrace::storage
