#include <algorithm>
#include <utility>

#include "storage/index/batch_index.hpp"

// Where an offset and a time are.

namespace millrace::storage {
namespace {

/// The first batch that was appended not before the time. **Requires** that there is one.
Offset first_from(const std::vector<BatchEntry>& entries, UnixMicros time_us) {
    return std::ranges::lower_bound(entries, time_us, {}, &BatchEntry::append_time_us)->base_offset;
}

}  // namespace

/// What a search for batches has found so far.
struct BatchIndex::Search {
    Offset from;
    std::size_t bytes_max = 0;
    BatchPlaces found = {};
    std::size_t bytes = 0;

    /// Adds one that ends behind `from`; returns whether more is wanted.
    bool take(SegmentSequence segment, const BatchEntry& entry) {
        if (!found.empty() && bytes + entry.run_bytes > bytes_max) {
            return false;
        }
        bytes += entry.run_bytes;
        found.push_back({.segment = segment, .entry = entry});
        return bytes < bytes_max;
    }

    /// Adds entries from the one that holds `from` until enough has been found; returns whether
    /// more is wanted.
    bool collect(SegmentSequence segment, const std::vector<BatchEntry>& entries) {
        auto at = std::ranges::upper_bound(
            entries, from, {}, [](const BatchEntry& entry) { return entry.end() - 1; });
        // upper_bound looks for the last offset above `from`; step back where it is exactly that.
        if (at != entries.begin() && std::prev(at)->end() > from) {
            --at;
        }
        return std::all_of(
            at, entries.end(), [&](const BatchEntry& entry) { return take(segment, entry); });
    }

    /// The same from where the reader is, which is left before the first entry that ends behind
    /// `from`. Errors: corrupt.
    Result<bool> collect(ChunkReader& reader) {
        auto ahead = reader;
        bool wants_more = true;
        while (const auto entry = ahead.next()) {
            if (entry->end() <= from) {
                reader = ahead;
                continue;
            }
            wants_more = take(reader.segment(), *entry);
            if (!wants_more) {
                break;
            }
        }
        return ahead.is_corrupt() ? Result<bool>(bad_chunk()) : Result<bool>(wants_more);
    }
};

Result<bool> BatchIndex::collect_held(ChunkCache::Held& row, Search& search) const {
    auto reader = row.reader_for(search.from);
    MILLRACE_TRY(const bool wants_more, search.collect(reader));
    if (!search.found.empty()) {
        row.at = reader;
        row.at_offset = search.from;
        cache_.note_use(row);
    }
    return wants_more;
}

Result<bool> BatchIndex::collect_sealed(PartitionId partition,
                                        const Known& known,
                                        Search& search) const {
    const auto prefix = chunk_prefix(partition);
    Result<bool> wants_more = true;
    const auto visit = [&](std::string_view key, std::string_view value) {
        ChunkReader reader(value);
        // A chunk that is on disk already while its segment still counts as unsealed is left to
        // memory.
        if (unsealed_.contains(reader.segment())) {
            return false;
        }
        wants_more = search.collect(reader);
        if (wants_more && !wants_more.value()) {
            cache_.add(known.held, offset_of_key(key), value);
        }
        return wants_more && wants_more.value();
    };
    auto* const held = cache_.find(known.held, search.from);
    if (held != nullptr) {
        MILLRACE_TRY(wants_more, collect_held(*held, search));
    }
    if (!wants_more.value()) {
        cache_.count_spared();
        return false;
    }
    cache_.count_seek();
    if (search.found.empty()) {
        MILLRACE_TRY(store_.visit_around(prefix, chunk_key(partition, search.from), visit));
    } else {
        // Straight to what lies behind: from a row before it, RocksDB would have to turn round.
        MILLRACE_TRY(store_.visit(prefix, chunk_key(partition, held->first + 1), visit));
    }
    return wants_more;
}

void BatchIndex::collect_unsealed(PartitionId partition, Search& search) const {
    for (const auto& [segment, batches] : unsealed_) {
        const auto entries = batches->find(partition);
        if (entries != batches->end() && !search.collect(segment, entries->second)) {
            return;
        }
    }
}

Result<BatchPlaces> BatchIndex::find(PartitionId partition,
                                     Offset from,
                                     std::size_t bytes_max) const {
    Search search{.from = from, .bytes_max = bytes_max};
    const auto known = partitions_.find(partition);
    if (known == partitions_.end()) {
        return std::move(search.found);
    }
    if (is_at_tail(partition, known->second, from)) {
        collect_unsealed(partition, search);
        return std::move(search.found);
    }
    MILLRACE_TRY(const bool wants_more, collect_sealed(partition, known->second, search));
    if (wants_more) {
        collect_unsealed(partition, search);
    }
    return std::move(search.found);
}

/// Readers at the tail are the common case: memory first, RocksDB only for what lies before it.
bool BatchIndex::is_at_tail(PartitionId partition, const Known& known, Offset from) const {
    if (from < known.sealed_end) {
        return false;
    }
    for (const auto& [segment, batches] : unsealed_) {
        const auto entries = batches->find(partition);
        if (entries != batches->end()) {
            return entries->second.front().base_offset <= from;
        }
    }
    return false;
}

Result<std::optional<Chunk>> BatchIndex::chunk_at_or_before(PartitionId partition,
                                                            Offset offset) const {
    const auto key = chunk_key(partition, offset);
    Result<std::optional<Chunk>> found = std::optional<Chunk>{};
    MILLRACE_TRY(store_.visit_around(
        chunk_prefix(partition), key, [&](std::string_view at, std::string_view value) {
            if (at <= key) {
                auto chunk = parse_chunk(value);
                found =
                    chunk ? Result<std::optional<Chunk>>(std::move(chunk).value()) : chunk.error();
            }
            return false;
        }));
    return found;
}

/// Append times of a partition never go down, so halving its offsets finds the chunk.
Result<std::optional<Offset>> BatchIndex::sealed_offset_at(PartitionId partition,
                                                           UnixMicros time_us) const {
    const auto limits = bounds(partition);
    std::optional<Offset> answer;
    auto low = limits.first;
    for (auto high = limits.next; low < high;) {
        const auto middle = low + (high.value - low.value) / 2;
        MILLRACE_TRY(const auto chunk, chunk_at_or_before(partition, middle));
        if (!chunk || chunk->entries.back().append_time_us < time_us) {
            low = std::max(middle + 1, chunk ? chunk->end() : middle);
            continue;
        }
        answer = first_from(chunk->entries, time_us);
        high = chunk->entries.front().base_offset;
    }
    return answer;
}

Result<Offset> BatchIndex::offset_at(PartitionId partition, UnixMicros time_us) const {
    const auto limits = bounds(partition);
    MILLRACE_TRY(auto answer, sealed_offset_at(partition, time_us));
    for (auto at = unsealed_.begin(); !answer && at != unsealed_.end(); ++at) {
        const auto found = at->second->find(partition);
        if (found != at->second->end() && found->second.back().append_time_us >= time_us) {
            answer = first_from(found->second, time_us);
        }
    }
    return std::max(answer.value_or(limits.next), limits.first);
}

}  // namespace millrace::storage
