#pragma once

#include <set>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "broker/shard/intake/batch_checks.hpp"
#include "broker/shard/intake/event_index.hpp"
#include "broker/shard/shard.hpp"
#include "client/wire/record_batch.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker {

/// The batch without some of its records, with the sequence and times that it had, and with its
/// codec unless only another one gets it below `bytes_max`: its sender may have packed it better.
/// **Requires** one to be left. Errors: as wire::visit_records; record_too_large.
[[nodiscard]] Result<std::vector<std::byte>> batch_without(std::span<const std::byte> batch,
                                                           std::span<const RepeatedRecord> repeats,
                                                           std::size_t bytes_max);

/// Recognises records that a partition has already, by their ids.
///
/// Promise:  a record whose id is remembered, and inside the topic's window, is not fresh. At most
///           `event_ids_per_partition_max` of a partition and `event_ids_per_shard_max` in all are
///           remembered; the oldest go first, before their window ends when it must be, and are
///           counted.
/// Threads:  the shard's.
/// On disk:  rows of EventIndex below "e/<partition>/".
class EventFilter {
  public:
    EventFilter(const ShardOptions& options, MetricsRegistry& metrics);

    struct Judged {
        std::vector<CheckedBatch::Identified> fresh;
        std::vector<RepeatedRecord> repeats;   ///< by number
        std::vector<std::uint64_t> proposals;  ///< that the repeats wait for
    };
    /// Where and when the fresh records of a batch would go, and what is old enough to be
    /// forgotten.
    struct Moment {
        Offset next;
        UnixMicros now_us = 0;
        UnixMicros window_us = 0;
    };
    [[nodiscard]] Judged judge(PartitionId partition,
                               const CheckedBatch& batch,
                               const Moment& moment) const;
    /// Where the records of a batch are that came with the same sequence before, when its own begin
    /// at `base`: the ones that are not in order behind it.
    [[nodiscard]] std::vector<RepeatedRecord> places_of_resent(PartitionId partition,
                                                               const CheckedBatch& batch,
                                                               Offset base) const;
    /// The fresh records are on their way with `proposal`.
    void remember(PartitionId partition,
                  const Judged& judged,
                  const Moment& moment,
                  std::uint64_t proposal);
    void note_recovered(const BatchHeader& header, std::span<const std::byte> batch);
    void drop_proposal(std::uint64_t proposal);

    [[nodiscard]] Result<void> restore(const storage::ShardStore& store);
    void write_state(const CatalogView& catalog,
                     UnixMicros now_us,
                     const storage::ShardStore& store,
                     storage::StateWriter& state);
    void forget(PartitionId partition, storage::ShardStore& store);
    [[nodiscard]] std::uint64_t id_count() const { return count_; }

  private:
    enum class Reason : std::uint8_t { expired, limit };
    void add(PartitionId partition, const wire::EventId& id, const EventPlace& place);
    void drop_oldest(PartitionId partition, EventIndex& index, Reason reason);
    void expire(PartitionId partition, EventIndex& index, UnixMicros before_us);
    void keep_limits(PartitionId partition, EventIndex& index);

    const ShardOptions& options_;
    std::unordered_map<PartitionId, EventIndex> partitions_;
    std::set<std::pair<UnixMicros, PartitionId>> oldest_;  ///< of each partition that has any
    std::uint64_t count_ = 0;
    bool is_restoring_ = true;  ///< what falls out then has been counted in an earlier life
    Gauge& held_;
    Counter& evicted_;
};

}  // namespace millrace::broker
