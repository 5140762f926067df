#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "broker/consensus/group.hpp"
#include "broker/runtime/runtime.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker {

class CatalogService;
class TopicTraffic;

/// What may wait between a producer and the disk; docs/delivery.md tells how they work together.
struct PublishLimits {
    /// Taken in and not yet durable, of a shard; above: limit_reached. Must leave room below the
    /// store's commit_backlog_bytes_max, where a refusal would end the shard.
    std::size_t bytes_pending_max = std::size_t{48} * 1024 * 1024;
    /// How much of that may be there before a batch of this class is refused; critical: all.
    std::uint32_t bulk_share_percent = 50;
    std::uint32_t standard_share_percent = 75;
    /// Of one class below critical, given to the log and not yet durable; more is held back.
    std::size_t ahead_bytes_max = std::size_t{8} * 1024 * 1024;
    /// The same while a more critical class is about.
    std::size_t ahead_yielding_bytes_max = std::size_t{128} * 1024;
    /// What bulk gives to the log in a second then, slice by slice; it rests between.
    std::size_t bulk_yielding_bytes_per_second = std::size_t{32} * 1024 * 1024;
};

/// What makes a shard one of several replicas.
struct ShardCluster {
    std::vector<consensus::Voter> voters;   ///< of a cluster that is founded; this node included
    consensus::PeerLinks* links = nullptr;  ///< outlives the shard
    std::string address;                    ///< of this node, as others reach it
    bool goes_on_alone = false;             ///< a majority is gone for good
    Duration tick{50'000};
    Duration election_timeout{600'000};
    Duration heartbeat_timeout{150'000};
    /// Of each group, kept in memory: a replica that was away for a moment finds there what it
    /// missed.
    std::size_t trailing_bytes_max = std::size_t{64} * 1024 * 1024;
    /// Pace at which another node is sent what is no longer there; 0: no limit.
    std::uint64_t catch_up_bytes_per_second = 0;
};

/// How this node's replica stands to the others. Neither `leads` nor `leads_all` is said of one
/// that has lost a group since it serves, also when it has that again: it has to begin anew.
struct ShardStanding {
    bool leads = false;       ///< all groups of the shard, with everything of earlier terms applied
    bool leads_some = false;  ///< at least one
    bool leads_all = false;   ///< but what earlier terms left may not be applied
    bool has_failed = false;  ///< it takes part no more
    bool is_damaged = false;  ///< its log does not verify: it has to be repaired or copied
    std::vector<SegmentSequence> damaged_segments = {};  ///< where that is
    NodeId leader;  ///< of the first group; 0 while nobody is known to lead
};

struct ShardOptions {
    ShardId id;
    std::uint32_t shard_count = 1;
    NodeId node{1};
    std::string data_directory;  ///< the node's; the shard's is shard-NN below it
    storage::StoreOptions store;
    std::size_t record_batch_bytes_max = std::size_t{1024} * 1024;
    std::uint32_t topics_max = 10'000;
    std::uint32_t partitions_max = 100'000;
    std::uint32_t subscriptions_max = 1'000;
    std::uint32_t producers_per_partition_max =
        1'000;  ///< remembered for duplicate detection; the oldest goes first
    /// Event ids remembered of one partition, and of all partitions of the shard; the oldest go
    /// first.
    std::uint64_t event_ids_per_partition_max = 100'000;
    std::uint64_t event_ids_per_shard_max = 1'000'000;
    PublishLimits publish;
    std::uint64_t random_seed = 0;
    std::optional<ShardCluster> cluster = {};  ///< nothing: this node has the only replica
};

/// A record of a batch that its partition had already.
struct RepeatedRecord {
    std::uint32_t number = 0;  ///< in the batch as it was sent
    Offset offset;             ///< of the first one
    UnixMicros append_time_us = 0;
};

/// Outcome for one batch of a publish. Records that are not in `repeats` lie in order behind
/// `base_offset`.
struct PublishOutcome {
    Errc code = Errc::ok;
    bool duplicate = false;  ///< nothing of it is new
    PartitionId partition;
    Offset base_offset;
    UnixMicros append_time_us = 0;
    Durability durability = Durability::majority;  ///< that the ack stands for
    std::vector<RepeatedRecord> repeats;
    /// How many publishes of this topic's class the shard would take from one producer now.
    std::uint32_t credit = 0;
};
struct PublishBatch {
    PartitionId partition;
    std::span<const std::byte>
        batch;  ///< a whole record batch, as it came; copied before the call returns
    /// The broker's own work, not somebody's who waits: gives way as bulk does, whatever the topic.
    bool is_background = false;
};
/// Once per call, after the last batch is refused or as durable as its topic asks for. `text`
/// explains the first refusal.
using PublishDone = std::function<void(std::vector<PublishOutcome> outcomes, std::string text)>;

/// State of delivery (cursors, letters, ...) that changes by commands through a consensus group and
/// lives in the store's state map. One handler per entry type.
class CommandHandler {
  public:
    CommandHandler() = default;
    CommandHandler(const CommandHandler&) = delete;
    CommandHandler& operator=(const CommandHandler&) = delete;
    CommandHandler(CommandHandler&&) = delete;
    CommandHandler& operator=(CommandHandler&&) = delete;
    virtual ~CommandHandler() = default;

    /// Reads what memory needs from the store's state. At start, and again when a rebuild has met a
    /// checkpoint.
    virtual void restore(storage::ShardStore& store) = 0;
    /// Once per committed command, in order, also during recovery. Deterministic: no clock, no
    /// randomness.
    virtual void apply(RaftIndex index, std::span<const std::byte> command) = 0;
    /// A checkpoint is being cut: put what only memory knows.
    virtual void write_state(storage::StateWriter& state) = 0;
    /// Recovery is over, the shard leads its groups and has a catalog: timers may start, deliveries
    /// may flow.
    virtual void start() = 0;
};

/// Tells that a partition grew, once per partition and turn.
using AdvanceListener = std::function<void(PartitionId partition, Offset next)>;
using CatalogListener = std::function<void(const CatalogPtr& view)>;
using CommandDone = std::function<void(Result<void>)>;

/// Entry types of data groups, besides storage::entry_type_records.
inline constexpr std::uint16_t entry_type_catalog = 2;
inline constexpr std::uint16_t entry_type_delivery = 3;
inline constexpr std::uint16_t entry_type_sequences = 4;

/// One core: its log, its consensus groups and its partitions.
///
/// Place:    above consensus and storage; below delivery and protocol, which see partitions only
/// through it.
/// Promise:  what `publish` acked is durable and readable; of a topic of durability `leader` it is
/// durable on this node, no more. Readers see only committed records.
/// Threads:  its own. Other shards reach it through Runtime::post_to and the node's table of
/// shards.
/// Failure:  after a failed disk every publish answers shard_failed, reads go on,
/// `failure` says why.
class Shard {
  public:
    Shard() = default;
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;
    Shard(Shard&&) = delete;
    Shard& operator=(Shard&&) = delete;
    virtual ~Shard() = default;

    /// Before `open`: who handles commands of `entry_type_delivery`.
    virtual void register_handler(CommandHandler& handler) = 0;
    /// Opens the store, recovers, starts the groups. Blocks; on the shard's thread before the
    /// runtime runs. A shard with the only replica serves when it returns; one of several follows
    /// until `serve`, and one on which nothing was ever agreed waits for `found`. Errors: as the
    /// store's, configuration for limits that do not fit together; corrupt where a replica has to
    /// be copied from its leader.
    [[nodiscard]] virtual Result<void> open() = 0;
    /// Refuses new publishes, waits for what is in flight, cuts a checkpoint. Blocks.
    [[nodiscard]] virtual Result<void> stop() = 0;

    /// Nothing was ever agreed on here: it may be founded, or has to be copied.
    [[nodiscard]] virtual bool is_new() const = 0;
    /// Starts the groups of a new cluster. **Requires** that every other replica is new, too.
    [[nodiscard]] virtual Result<void> found() = 0;
    /// From replicas that lead to ones that serve: shard 0 tells the others and publishes the
    /// catalog.
    /// **Requires** shard 0, and that all shards of the node lead.
    virtual void serve() = 0;
    /// What another node's shard of the same number sent.
    virtual void receive(NodeId from, GroupId group, std::span<const std::byte> message) = 0;
    [[nodiscard]] virtual ShardStanding standing() const = 0;
    /// What a shard before this one has found in the same log, and left as it was.
    virtual void note_damaged(const std::vector<SegmentSequence>& segments) = 0;
    /// Called when the standing changed.
    virtual void on_standing(std::function<void()> listener) = 0;
    /// Called when this replica lacks what its leader no longer has in memory.
    virtual void on_behind(std::function<void(NodeId leader)> listener) = 0;
    /// Hands the lead of what this node leads to another, once that has everything; 0: to anybody.
    virtual void transfer(NodeId to) = 0;
    /// `done` runs when others, enough of them for a majority, have said since that nobody leads in
    /// a later term. Errors: not_leader.
    virtual void confirm_lead(CommandDone done) = 0;
    /// Hands it to another that has all or nearly all of it: first to `preferred`, if that is one
    /// of them, else to the best; where that came to nothing the next call tries the next. 0:
    /// nobody is preferred. False: there is no such node.
    virtual bool hand_over(NodeId preferred) = 0;
    [[nodiscard]] virtual std::vector<consensus::GroupStatus> groups() const = 0;
    /// An entry that is applied here, and so the same everywhere, for good, as
    /// ShardStore::find_entry. Errors: not_found, also where it is not applied; those of the store.
    virtual void find_entry(const storage::EntryRequest& request, storage::FindEntryDone done) = 0;
    /// Called when the members of a group changed, or the cluster's id became known.
    virtual void on_members(std::function<void()> listener) = 0;
    /// As Group::change. Errors: unknown_group, too.
    virtual void change_members(GroupId group,
                                const consensus::MemberChange& change,
                                CommandDone done) = 0;
    /// Takes no part in its groups any more: no entry comes, no vote is given.
    virtual void leave() = 0;

    [[nodiscard]] virtual ShardId id() const = 0;
    [[nodiscard]] virtual Runtime& runtime() = 0;
    [[nodiscard]] virtual storage::ShardStore& store() = 0;
    [[nodiscard]] virtual CatalogService& catalog() = 0;
    [[nodiscard]] virtual MetricsRegistry& metrics() = 0;
    [[nodiscard]] virtual const ShardOptions& options() const = 0;
    [[nodiscard]] virtual std::optional<Error> failure() const = 0;
    [[nodiscard]] virtual std::uint64_t records_in() const = 0;
    [[nodiscard]] virtual TopicTraffic& traffic() = 0;

    /// Checks each batch (CRC, lengths, limits, producer sequence), assigns offsets and append
    /// time, and proposes all of this turn's batches of a group as one entry. All partitions must
    /// be of this shard, else unknown_partition.
    virtual void publish(std::span<const PublishBatch> batches, PublishDone done) = 0;

    /// Committed records only: `bounds().next` is the high watermark.
    [[nodiscard]] virtual std::optional<storage::PartitionBounds> bounds(
        PartitionId partition) const = 0;
    virtual void read(const storage::ReadRequest& request, storage::ReadDone done) = 0;

    virtual void on_advance(AdvanceListener listener) = 0;
    virtual void on_catalog(CatalogListener listener) = 0;

    /// Proposes a command of `entry_type_delivery` to this shard's data group; `done` after it was
    /// applied. Commands of one turn travel in one entry. Errors: record_too_large for one that is
    /// larger than a commit takes.
    virtual void propose(std::vector<std::byte> command, CommandDone done) = 0;
    /// The number of this shard's data group, from 1; part of letter ids.
    [[nodiscard]] virtual GroupId data_group() const = 0;
};

/// The shards of a node, for code that has to cross. Index = shard number. Only the pointer may be
/// read from another thread; everything else goes through `Runtime::post_to`.
struct ShardTable {
    std::vector<Shard*> shards;
};

/// **Requires** `table` to be complete before any runtime runs.
[[nodiscard]] std::unique_ptr<Shard> make_shard(ShardOptions options,
                                                Runtime& runtime,
                                                MetricsRegistry& metrics,
                                                const ShardTable& table);

}  // namespace millrace::broker
