#pragma once

#include <memory>
#include <unordered_map>
#include <unordered_set>

#include "broker/shard/producer_table.hpp"
#include "broker/shard/publish_queue.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker {

/// Decides on every batch that wants into a partition of this shard: checks it, recognises repeats,
/// assigns offset and time.
///
/// Promise:  offsets of a partition go up without gap; append times of the shard never go down.
/// Threads:  the shard's.
class BatchAcceptor {
  public:
    BatchAcceptor(const ShardOptions& options,
                  const Clock& clock,
                  storage::ShardStore* const& store,
                  PublishQueue& queue,
                  MetricsRegistry& metrics);

    void accept(const CatalogView& catalog,
                std::span<const PublishBatch> batches,
                PublishDone done);
    /// A batch that was committed by recovery, not by `accept`: its producer must be known.
    void note_recovered(const BatchHeader& header, std::span<const std::byte> batch);
    [[nodiscard]] Result<void> restore();
    void write_state(storage::StateWriter& state);
    void forget(PartitionId partition);
    [[nodiscard]] std::uint64_t records_in() const { return records_in_.value(); }

  private:
    struct Partition {
        std::optional<Offset> next;  ///< of the next batch, behind what is under way
        std::unique_ptr<ProducerTable> producers;
    };
    [[nodiscard]] Result<void> accept_one(const CatalogView& catalog,
                                          const PublishBatch& batch,
                                          PublishQueue::Waiter waiter);
    [[nodiscard]] Result<void> check_topic(const CatalogView& catalog,
                                           const PublishBatch& batch) const;
    /// True when the batch is a repeat that has its outcome or waits for it.
    [[nodiscard]] Result<bool> settle_repeat(Partition& partition,
                                             const ProducerBatch& batch,
                                             const PublishQueue::Waiter& waiter);
    [[nodiscard]] ProducerTable& producers_of(PartitionId id, Partition& partition);

    const ShardOptions& options_;
    const Clock& clock_;
    storage::ShardStore* const& store_;
    PublishQueue& queue_;
    std::unordered_map<PartitionId, Partition> partitions_;
    std::unordered_set<PartitionId> dirty_;
    UnixMicros last_time_us_ = 0;
    Counter& records_in_;
    Counter& bytes_in_;
    Counter& refused_;
    Counter& duplicates_;
};

}  // namespace millrace::broker
