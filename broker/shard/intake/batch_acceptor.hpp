#pragma once

#include <functional>
#include <optional>
#include <unordered_map>
#include <vector>

#include "broker/shard/intake/event_filter.hpp"
#include "broker/shard/intake/producer_table.hpp"
#include "broker/shard/intake/publish_gate.hpp"
#include "broker/shard/intake/publish_queue.hpp"
#include "broker/shard/shard.hpp"
#include "broker/shard/topic_traffic.hpp"

namespace millrace::broker {

/// Decides on every batch that wants into a partition of this shard: checks it, recognises repeats,
/// assigns offset and time.
///
/// Promise:  offsets of a partition go up without gap; append times of the shard never go down.
/// Threads:  the shard's.
class BatchAcceptor {
  public:
    /// Where accepted batches go, and the sequences of batches of which nothing was new.
    struct Queues {
        PublishQueue& batches;
        PublishQueue& sequences;
    };
    BatchAcceptor(const ShardOptions& options,
                  const Clock& clock,
                  storage::ShardStore* const& store,
                  Queues queues,
                  MetricsRegistry& metrics);

    /// How to hear that nobody else leads; of a node that stands alone nothing.
    void confirm_with(std::function<void(CommandDone)> confirm) { confirm_ = std::move(confirm); }

    void accept(const CatalogView& catalog,
                std::span<const PublishBatch> batches,
                PublishDone done);
    /// Once a turn: what was held back and has room now goes on.
    void admit_held(const CatalogView& catalog);
    /// When the turn after next must come although nothing happens.
    [[nodiscard]] std::optional<Duration> rest_left() const { return gate_.rest_left(); }
    /// What is held back will never go on.
    void refuse_held(const Error& error);
    /// A batch that was committed by recovery, not by `accept`: its producer must be known.
    void note_recovered(const BatchHeader& header, std::span<const std::byte> batch);
    /// The same for an entry of entry_type_sequences: rows of `sequence_row_bytes`, {partition u32,
    /// record_count u32, producer_id i64, base_offset u64, append_time_us i64, base_sequence i32,
    /// epoch i16, 0 u16}, little-endian.
    void note_recovered_sequences(std::span<const std::byte> rows);
    static constexpr std::size_t sequence_row_bytes = 40;
    /// An entry that never became durable.
    void drop_proposal(std::uint64_t proposal);
    [[nodiscard]] Result<void> restore();
    void write_state(const CatalogView& catalog, storage::StateWriter& state);
    void forget(PartitionId partition);
    [[nodiscard]] std::uint64_t records_in() const { return records_in_.value(); }
    [[nodiscard]] TopicTraffic& traffic() { return traffic_; }

  private:
    struct Partition {
        std::optional<Offset> next;  ///< of the next batch, behind what is under way
        std::optional<ProducerTable> producers;
        TopicTraffic::Handle traffic;
        bool is_dirty = false;  ///< it is in `dirty_`
    };
    /// A batch on its way through the checks.
    struct Candidate {
        const CatalogView& catalog;
        PartitionId id;
        Criticality criticality = Criticality::standard;
        Partition& partition;
        std::span<const std::byte> bytes;
        CheckedBatch checked;
        ProducerBatch producer;
        EventFilter::Moment moment;
        PublishQueue::Waiter waiter;
        [[nodiscard]] PublishOutcome& outcome() const {
            return waiter.call->outcomes[waiter.index];
        }
    };
    /// Lets a batch in or refuses it.
    void enter(const CatalogView& catalog,
               const PublishBatch& batch,
               const PublishQueue::Waiter& waiter);
    void refuse(const PublishQueue::Waiter& waiter, const Error& error);
    void refuse_once_confirmed(const PublishQueue::Waiter& waiter, const Error& error);
    [[nodiscard]] Result<void> accept_one(const CatalogView& catalog,
                                          const PublishBatch& batch,
                                          PublishQueue::Waiter waiter);
    [[nodiscard]] Result<const TopicInfo*> check_topic(const CatalogView& catalog,
                                                       const PublishBatch& batch) const;
    /// True when the batch has a sequence that came before and has its outcome or waits for it.
    [[nodiscard]] Result<bool> settle_resent(const Candidate& candidate);
    /// Every record is there already.
    void settle_repeated(const Candidate& candidate, EventFilter::Judged judged);
    [[nodiscard]] Result<void> append(const Candidate& candidate, EventFilter::Judged judged);
    void count_resent(const Candidate& candidate) {
        duplicates_.add();
        traffic_.count_repeats(candidate.catalog, candidate.id, candidate.producer.record_count);
    }
    void count_repeated(const Candidate& candidate, std::uint64_t records) {
        event_duplicates_.add(records);
        traffic_.count_repeats(candidate.catalog, candidate.id, records);
    }
    void wait_for(std::uint64_t proposal, const PublishQueue::Waiter& waiter);
    void note_sequence(const Candidate& candidate);
    /// Its row was written: it is dirty no more, but where something of it is under way. True where
    /// it is clean, or gone.
    bool clean(PartitionId id);
    [[nodiscard]] ProducerTable& producers_of(PartitionId id, Partition& partition);

    const ShardOptions& options_;
    const Clock& clock_;
    storage::ShardStore* const& store_;
    Queues queues_;
    std::function<void(CommandDone)> confirm_;
    PublishGate gate_;
    EventFilter events_;
    std::unordered_map<PartitionId, Partition> partitions_;
    std::vector<PartitionId> dirty_;  ///< whose rows do not say all; may be gone
    UnixMicros last_time_us_ = 0;
    UnixMicros written_time_us_ = 0;  ///< of the last applied batch, as the state has it
    TopicTraffic traffic_;
    Counter& records_in_;
    Counter& bytes_in_;
    Counter& refused_;
    Counter& too_large_;
    Counter& duplicates_;
    Counter& event_duplicates_;
};

}  // namespace millrace::broker
