#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "broker/consensus/group.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker {

/// One call of `Shard::publish` that waits for its batches.
struct PublishCall {
    std::vector<PublishOutcome> outcomes;
    std::string text;
    std::size_t outstanding = 0;
    PublishDone done;
    SteadyTime begin{};
    const Clock* clock = nullptr;  ///< with the next: where its time is noted once it is answered
    Histogram* latency_us = nullptr;
    Criticality criticality = Criticality::critical;  ///< the least critical of its batches

    void refuse(std::size_t index, const Error& error);
    /// One batch has its outcome; the last one answers.
    void end_one();
    /// The same, by a look at the clock that others share.
    void end_one(SteadyTime now);
};

/// Batches of one turn on their way into one entry, and calls that wait for entries under way.
///
/// Promise:  a waiter is answered once: when its entry is committed and applied, or, where it waits
/// for no more than the leader, as soon as this node has the entry on disk.
/// Threads:  the shard's.
class PublishQueue {
  public:
    struct Waiter {
        std::shared_ptr<PublishCall> call;
        std::size_t index = 0;
        Durability durability = Durability::majority;
        Histogram* latency_us = nullptr;  ///< of the batch's topic

        /// Waits for what the topic asks for, and says so in the outcome.
        void wait_as(const TopicInfo& topic) {
            durability =
                topic.durability == Durability::leader ? Durability::leader : Durability::majority;
            call->outcomes[index].durability = durability;
        }
    };
    struct Events {
        consensus::ProposeDone done;
        consensus::Stored stored;
    };
    using Propose =
        std::function<void(std::uint32_t batch_count, consensus::EntryBuffer entry, Events events)>;

    /// The number of an entry that was lost: what it carried was never there.
    using Lost = std::function<void(std::uint64_t proposal)>;
    /// Of batches that were acked before a majority had them.
    struct LeaderAcks {
        Counter* given = nullptr;
        Counter* unconfirmed = nullptr;  ///< this node lost the lead or its disk before it knew
    };

    /// Entries are numbered from `first_number`, above 0.
    PublishQueue(Propose propose, std::uint64_t first_number)
        : propose_(std::move(propose)), number_(first_number) {}
    void on_lost(Lost lost) { lost_ = std::move(lost); }
    void count_leader_acks(LeaderAcks counters) { leader_acks_ = counters; }

    /// Room for `bytes`, a multiple of 8, in the entry of this turn.
    [[nodiscard]] std::span<std::byte> extend(std::size_t bytes, Waiter waiter);
    struct Batch {
        BatchHeader header;
        std::span<const std::byte> bytes;
        std::uint32_t sent_record_count = 0;  ///< as its producer sent it
        Criticality criticality = Criticality::standard;
        Histogram* latency_us = nullptr;  ///< notes the time from its publish until it is answered
    };
    /// Copies a batch behind the ones of this turn, with its header and base offset.
    void add(const Batch& batch, Waiter waiter);
    /// Number of the entry that is being gathered.
    [[nodiscard]] std::uint64_t current_proposal() const { return number_; }
    /// Waits for an entry with the others, if that has not come as far as the waiter needs; false
    /// when it is applied already.
    [[nodiscard]] bool join(std::uint64_t proposal, Waiter waiter);
    /// Whether it is neither applied nor lost yet.
    [[nodiscard]] bool is_under_way(std::uint64_t proposal) const {
        return waiting_.contains(proposal);
    }
    /// Ends the turn: proposes what was gathered.
    void flush();
    [[nodiscard]] std::size_t pending_bytes() const { return pending_bytes_ + entry_.size_bytes(); }
    /// Of batches of one class.
    [[nodiscard]] std::size_t pending_bytes(Criticality criticality) const {
        return class_bytes_[static_cast<std::size_t>(criticality)];
    }

  private:
    using ClassBytes = std::array<std::size_t, criticality_count>;
    struct Entry {
        std::uint64_t number = 0;
        std::size_t bytes = 0;
        ClassBytes class_bytes{};
    };
    /// An entry that is not applied.
    struct Waiting {
        std::vector<Waiter> waiters;
        std::size_t for_leader = 0;  ///< of these, those that wait for this node's disk alone
        std::uint64_t acked = 0;     ///< batches, once that has it
        bool is_stored = false;      ///< it has
    };
    void store(std::uint64_t number);
    void note_leader_acks(Waiting& waiting, std::size_t count) const;
    void end(const Entry& entry, const Result<RaftIndex>& result);

    Propose propose_;
    Lost lost_;
    LeaderAcks leader_acks_;
    consensus::EntryBuffer entry_;
    std::uint32_t batch_count_ = 0;
    std::uint64_t number_;
    std::unordered_map<std::uint64_t, Waiting> waiting_;
    std::size_t pending_bytes_ = 0;
    ClassBytes class_bytes_{};  ///< of all that is not durable, and of what is gathered
    ClassBytes gathered_class_bytes_{};
};

}  // namespace millrace::broker
