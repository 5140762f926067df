#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "storage/index/chunk_cache.hpp"
#include "storage/index/index_rows.hpp"
#include "storage/index/key_value.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// A batch and the segment it lies in.
struct BatchPlace {
    SegmentSequence segment;
    BatchEntry entry;
};

/// A fetch of many partitions takes a batch or two of each.
using BatchPlaces = boost::container::small_vector<BatchPlace, 2>;

using SegmentBatches = std::unordered_map<PartitionId, std::vector<BatchEntry>>;

/// A segment on its way into RocksDB, cut loose from the index so that another thread can write it.
struct SealJob {
    SegmentSequence segment;
    SegmentRow row;
    std::shared_ptr<const SegmentBatches> batches;
    std::vector<std::pair<PartitionId, PartitionRow>> partitions;

    /// Chunks, partition rows and the segment's row. Threads: any.
    void add_to(KeyValueBatch& batch) const;
};

/// Where every batch lies: unsealed segments in memory, sealed ones as chunks in RocksDB.
///
/// Threads:  the shard's.
class BatchIndex {
  public:
    BatchIndex(KeyValueStore& store, ChunkCache& cache) : store_(store), cache_(cache) {}

    /// Reads the partition and segment rows.
    [[nodiscard]] Result<void> load();

    /// A batch that became readable; ignored when the partition is already past it.
    void add(SegmentSequence segment, const BatchHeader& header, Position position);
    /// The same for the batches of a records frame, the first of which lies at `position`.
    void add_run(SegmentSequence segment, Position position, std::span<const std::byte> run);
    /// Offsets before `next` were given out, whatever is left of them.
    void keep_end(PartitionId partition, Offset next);
    /// The rows of partitions that have no sealed batch and do not begin with the first record, for
    /// the first checkpoint of an index that was empty: what they begin with is known from what the
    /// log may have no more on the next start. The others come with the segments of their batches.
    void add_bare_partitions(KeyValueBatch& batch) const;
    [[nodiscard]] SealJob begin_seal(SegmentSequence segment, SegmentRow row) const;
    /// The rows of the job are on disk: what memory held for the segment can go.
    [[nodiscard]] Result<void> end_seal(const SealJob& job);

    /// Takes back what `add_run` added of this run, the last of its partitions; what was not added
    /// stays as it is. **Requires** that the segment is not sealed.
    void take_back_run(SegmentSequence segment, Position position, std::span<const std::byte> run);

    [[nodiscard]] PartitionBounds bounds(PartitionId partition) const;
    [[nodiscard]] std::vector<PartitionId> partitions() const;
    /// Batches from the one that contains `from` (or the next one behind it) until `bytes_max` is
    /// reached, at least one.
    [[nodiscard]] Result<BatchPlaces> find(PartitionId partition,
                                           Offset from,
                                           std::size_t bytes_max) const;
    [[nodiscard]] Result<Offset> offset_at(PartitionId partition, UnixMicros time_us) const;
    /// No batch was appended later, by the clock of its time.
    [[nodiscard]] UnixMicros last_time_us() const { return last_time_us_; }
    [[nodiscard]] UnixMicros last_time_of_unsealed(SegmentSequence segment) const;

    /// Drops sealed chunks at the front while `is_expired` says so. Returns whether anything
    /// changed.
    struct ChunkAge {
        UnixMicros last_time_us = 0;
        std::uint64_t live_bytes = 0;       ///< of this chunk
        std::uint64_t partition_bytes = 0;  ///< of the partition with it
    };
    [[nodiscard]] Result<void> drop_front(PartitionId partition,
                                          const std::function<bool(const ChunkAge&)>& is_expired);
    [[nodiscard]] Result<void> drop_partition(PartitionId partition);
    void forget_segment(KeyValueBatch& batch, SegmentSequence segment);
    /// The rows of a segment whose batches have moved within it. What was dropped since they were
    /// listed stays dropped. Durable with the next checkpoint. **Requires** that it is sealed.
    struct MovedChunk {
        PartitionId partition;
        Offset first;
        std::string row;  ///< as `format_chunk` gives it
    };
    [[nodiscard]] Result<void> move_batches(SegmentSequence segment,
                                            std::uint64_t used_bytes,
                                            std::uint32_t generation,
                                            const std::vector<MovedChunk>& chunks);

    [[nodiscard]] const std::map<SegmentSequence, SegmentRow>& sealed_segments() const {
        return sealed_;
    }
    /// Null for a segment that is not sealed.
    [[nodiscard]] const SegmentRow* find_sealed(SegmentSequence segment) const {
        const auto found = sealed_.find(segment);
        return found == sealed_.end() ? nullptr : &found->second;
    }
    /// How often a sealed segment was rewritten; nothing of another.
    [[nodiscard]] std::optional<std::uint32_t> generation_of(SegmentSequence segment) const {
        const auto* const row = find_sealed(segment);
        return row == nullptr ? std::nullopt : std::optional(row->generation);
    }
    [[nodiscard]] std::uint64_t live_bytes() const { return live_bytes_; }

  private:
    /// What is known of a partition, in one place.
    struct Known : PartitionRow {
        /// Before it everything lies in sealed segments.
        Offset sealed_end;
        /// The last segment that it has batches in, with how many, and, while that is not sealed,
        /// with which.
        SegmentSequence open;
        std::size_t open_count = 0;
        std::vector<BatchEntry>* open_entries = nullptr;
        mutable ChunkCache::Rows held;  ///< of the index on disk
    };
    [[nodiscard]] std::vector<BatchEntry>& open_entries(SegmentSequence segment,
                                                        PartitionId partition,
                                                        Known& known);
    [[nodiscard]] PartitionRow row_at_end_of(SegmentSequence segment,
                                             PartitionId partition,
                                             const std::vector<BatchEntry>& entries) const;
    [[nodiscard]] PartitionRow sealed_row(PartitionId partition) const;
    void end_before_gap(PartitionId partition, Offset behind);
    void forget_gaps(PartitionId partition, Offset upto);
    void set_partition_row(KeyValueBatch& batch, PartitionId partition) const;
    struct Search;
    /// Both return whether more is wanted.
    [[nodiscard]] Result<bool> collect_held(ChunkCache::Held& row, Search& search) const;
    [[nodiscard]] Result<bool> collect_sealed(PartitionId partition,
                                              const Known& known,
                                              Search& search) const;
    [[nodiscard]] bool is_at_tail(PartitionId partition, const Known& known, Offset from) const;
    void collect_unsealed(PartitionId partition, Search& search) const;
    [[nodiscard]] Result<std::optional<Chunk>> chunk_at_or_before(PartitionId partition,
                                                                  Offset offset) const;
    [[nodiscard]] Result<std::optional<Offset>> sealed_offset_at(PartitionId partition,
                                                                 UnixMicros time_us) const;

    KeyValueStore& store_;
    ChunkCache& cache_;  ///< of rows of sealed segments, which a truncation leaves alone
    std::unordered_map<PartitionId, Known> partitions_;
    std::map<SegmentSequence, std::shared_ptr<SegmentBatches>> unsealed_;
    std::map<SegmentSequence, SegmentRow> sealed_;
    /// What a partition was before the batch at an offset further on came. What a truncation takes
    /// back may lie behind a sealed segment that, rightly, lacks the beginning of it.
    struct Gap {
        bool was_known = false;
        Offset first;
        Offset next;
    };
    std::map<std::pair<PartitionId, Offset>, Gap> gaps_;
    std::uint64_t live_bytes_ = 0;
    UnixMicros last_time_us_ = 0;
};

}  // namespace millrace::storage
