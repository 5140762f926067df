#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/subscription.hpp"
#include "millrace/types.hpp"

namespace millrace {

struct CommittedOffset {
    std::string topic;
    std::uint32_t partition = 0;
    std::uint64_t offset = 0;
    std::uint64_t next_offset = 0;  ///< end of the partition; next_offset - offset is the lag
};
struct GroupMember {
    std::string member_id;
    std::string client_name;
    std::string peer;
    std::vector<std::pair<std::string, std::uint32_t>> partitions;
};
struct GroupDescription {
    std::string name;
    std::uint32_t generation = 0;
    std::vector<GroupMember> members;
    std::vector<CommittedOffset> offsets;
};

enum class Circuit : std::uint8_t { closed = 0, open = 1, half_open = 2 };
/// One step of a subscription's circuit on one shard, and why.
struct CircuitChange {
    std::int64_t time_us = 0;
    Circuit from = Circuit::closed;
    Circuit to = Circuit::closed;
    Cause cause = Cause::none;  ///< of the outage
    std::string reason;
    std::uint32_t shard = 0;
};
struct SubscriptionPartitionStatus {
    std::string topic;
    std::uint32_t partition = 0;
    std::uint64_t floor = 0;  ///< everything below is settled
    std::uint64_t next_offset = 0;
    std::uint64_t settled_above_floor = 0;
};
struct SubscriptionStatus {
    SubscriptionDefinition definition;
    bool paused = false;
    Circuit circuit = Circuit::closed;
    std::string reason;  ///< why nothing flows, when nothing flows
    std::uint32_t consumers = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t waiting_retry = 0;
    std::uint64_t parked_keys = 0;
    std::uint64_t parked_records = 0;
    std::uint64_t lag_records = 0;
    std::int64_t lag_us = 0;
    std::uint64_t delivered = 0;
    std::uint64_t acked = 0;
    std::uint64_t nacked = 0;
    std::uint64_t letters_open = 0;
    std::vector<std::pair<Cause, std::uint64_t>>
        letters_by_cause;  ///< open ones, where there are any
    std::vector<SubscriptionPartitionStatus> partitions;
    bool draining = false;
    /// Since when nothing is in flight any more, while draining; 0: not yet.
    std::int64_t drained_us = 0;
    std::uint64_t waiting_delay = 0;  ///< for their `deliver-after`
    std::int64_t next_retry_us = 0;   ///< when the first of those that wait is due; 0: none waits
    std::int64_t next_delay_us = 0;
    std::uint64_t filtered = 0;
    std::uint64_t filter_failed = 0;
    std::uint64_t expired = 0;
    std::uint64_t dropped = 0;
    std::int64_t oldest_letter_us = 0;           ///< time since its first failure
    std::vector<CircuitChange> circuit_changes;  ///< the last ones of each shard
};

enum class LetterState : std::uint8_t { open = 0, redriven = 1, resolved = 2, discarded = 3 };
struct LetterAction {
    std::int64_t time_us = 0;
    std::string action;
    std::string by;
    std::string text;
};
struct Letter {
    std::uint64_t id = 0;
    std::string subscription;
    std::string topic;
    std::uint32_t partition = 0;
    std::uint64_t offset = 0;
    std::string key;
    Cause cause = Cause::none;
    std::string error;
    std::string response;
    std::uint32_t attempts = 0;
    std::int64_t first_failure_us = 0;
    std::int64_t last_failure_us = 0;
    std::int64_t append_time_us = 0;
    std::string correlation_id;
    LetterState state = LetterState::open;
    std::uint32_t parked_behind = 0;
    std::vector<LetterAction> actions;
    std::optional<Record> record;  ///< filled by `show`: as it was published
    std::optional<Record> edited;  ///< filled by `show`: what goes out instead
};
/// What stands empty does not matter.
struct LetterQuery {
    std::string subscription;
    std::optional<Cause> cause;
    std::optional<LetterState> state;
    std::string key;
    std::string error_contains;
    std::string correlation_id;
    std::string where;           ///< a jq program over the letter: `.value.product == "CH-9"`
    std::int64_t since_us = 0;   ///< of the last failure
    std::int64_t before_us = 0;  ///< 0: without
    std::uint64_t after_id = 0;
    std::uint32_t limit = 100;
};
enum class LetterGroupBy : std::uint8_t { cause = 0, error = 1, key = 2, topic = 3, state = 4 };
/// Letters that share a property.
struct LetterGroup {
    Cause cause = Cause::none;  ///< by cause and by error
    std::string name;           ///< errors without numbers and quotations: "no product #"
    std::uint64_t count = 0;
    std::int64_t first_failure_us = 0;
    std::int64_t last_failure_us = 0;
    std::uint64_t example_id = 0;
    std::string example;  ///< its error as it came
};
/// What a transform would make of letters.
struct LetterTrial {
    std::uint64_t mended = 0;
    std::vector<LetterGroup>
        failures;  ///< most frequent first; `name` and `example` are its errors
};

/// The ids, or all open letters that the query wants; its state and limits do not matter.
struct LetterSelection {
    LetterQuery query;
    std::vector<std::uint64_t> ids;
    std::string by;
    std::uint64_t limit = 0;  ///< 0: all
};
/// What is changed in a letter's record before it goes out again. The original stays beside it.
struct LetterMend {
    std::string transform;  ///< a jq program over the letter, which gives it back changed
    std::optional<std::string> value;  ///< for one letter
};

struct ShardStatus {
    std::uint32_t shard = 0;
    std::uint32_t partitions = 0;
    std::uint32_t connections = 0;
    std::uint64_t log_bytes = 0;
    std::uint64_t live_bytes = 0;
    std::uint64_t segments = 0;
    std::uint64_t segments_free = 0;
    std::uint64_t commits = 0;
    std::uint64_t records_in = 0;
    std::uint64_t records_out = 0;
    std::uint64_t disk_free_bytes = 0;
    std::uint64_t torn_tails_cut = 0;
    std::uint64_t frames_quarantined = 0;
    bool out_of_space = false;
    bool failed = false;
    std::string failure;
};
struct NodeStatus {
    std::string version;
    std::string cluster_id;
    std::uint64_t node_id = 0;
    std::uint64_t uptime_ms = 0;
    std::uint64_t resident_bytes = 0;
    std::uint32_t topics = 0;
    std::uint32_t partitions = 0;
    std::uint32_t subscriptions = 0;
    std::vector<ShardStatus> shards;
};

/// What a node is in its cluster: a spare copies what there is, a standby is sent everything, a
/// voter counts in majorities as well.
enum class ClusterMember : std::uint8_t { spare = 1, standby = 2, voter = 3 };

/// A node of a cluster, as another one sees it.
struct ClusterNode {
    std::uint64_t node = 0;
    std::string address;  ///< where its first shard hears the other nodes
    bool linked = false;  ///< to whom was asked, which is itself linked
    std::string native;   ///< where clients connect; empty while that is not known
    std::string http;
    bool voter = true;  ///< counts in majorities; else it is a standby or a spare
    std::map<std::string, std::string> labels = {};  ///< what an operator says of it: rack a
    ClusterMember member = ClusterMember::voter;     ///< of a broker before it: voter or spare
    bool to_vote = false;  ///< whom was asked leads, and has chosen it to vote
    bool drained = false;  ///< not to lead, nor to vote where another can
    bool leaving = false;  ///< drained, and taken out once another leads
};
struct ClusterReplica {
    std::uint64_t node = 0;
    std::uint64_t match = 0;  ///< everything up to here is on its disk
    bool behind = false;      ///< what it lacks is no longer in the leader's memory: it is copied
};
struct ClusterGroup {
    std::uint32_t group = 0;  ///< 0: the catalog
    std::uint32_t shard = 0;
    bool leads = false;  ///< whom was asked
    std::uint64_t leader = 0;
    std::uint64_t term = 0;
    std::uint64_t last = 0;
    std::uint64_t applied = 0;
    std::vector<ClusterReplica> replicas;  ///< of others; only the group's leader knows them
};
/// What one node knows of its cluster; who leads knows most.
struct ClusterStatus {
    std::uint64_t node_id = 0;  ///< who was asked
    bool clustered = false;     ///< else it stands alone
    bool leads = false;
    std::uint64_t leader = 0;  ///< 0: nobody is known to lead
    std::vector<ClusterNode> nodes;
    std::vector<ClusterGroup> groups;
};

/// What an operator does. Every call waits for its answer and throws ClientError. Where a leader
/// is lost meanwhile, lists, descriptions, what is read of letters, `ensure_`, `alter_`, pause,
/// drain and resume are asked again for `connect_timeout`. What creates, deletes, settles or seeks
/// a subscription is not: it ends with connection_lost or not_leader, and may have taken effect.
///
/// Threads:  any.
class Admin {
  public:
    [[nodiscard]] NodeStatus status();
    /// Of the node that this client is connected to, which may be one that follows where
    /// ClientOptions::any_node says so.
    [[nodiscard]] ClusterStatus cluster_status();
    /// Hands the lead of the cluster to another node; to be asked of the one that leads. Returns
    /// when that leads no more. Its connections end with it, so that this may throw
    /// connection_lost instead: `cluster_status` of `node` says whether it leads.
    void transfer_lead(std::uint64_t node);
    /// Lets a node join the cluster; to be asked of the one that leads. Returns when it is a
    /// member: it copies what there is, and `cluster_status` shows it as a voter later. `address`:
    /// where its first shard hears the other nodes. Errors: configuration, conflict, not_leader.
    void join_node(std::uint64_t node, const std::string& address);
    /// Takes a node out of the cluster. Returns when it is out; the one that leads hands the lead
    /// on first and is out later, as `cluster_status` shows. Errors: conflict where it is no
    /// member, or is needed for a majority, or leads and all others are drained; not_leader.
    void remove_node(std::uint64_t node);
    /// Says whether a node is drained: not to lead, nor to vote where another can in its place.
    /// Returns when that is kept; `cluster_status` shows what follows from it. Errors: conflict for
    /// one that is no member, and where all others are drained; not_leader.
    void drain_node(std::uint64_t node, bool drained);

    TopicDescription create_topic(const TopicDescription& topic);
    /// As `create_topic`, but an existing topic is fine.
    TopicDescription ensure_topic(const TopicDescription& topic);
    TopicDescription alter_topic(const std::string& name, const TopicChange& change);
    void delete_topic(const std::string& name);
    [[nodiscard]] std::vector<TopicDescription> list_topics(
        const std::vector<std::string>& patterns = {});
    /// With offsets and sizes.
    [[nodiscard]] TopicDescription describe_topic(const std::string& name);
    /// As `list_topics`, with offsets and sizes.
    [[nodiscard]] std::vector<TopicDescription> describe_topics(
        const std::vector<std::string>& patterns = {});

    [[nodiscard]] std::vector<GroupDescription> list_groups();
    [[nodiscard]] GroupDescription describe_group(const std::string& group);
    /// Sets where a group without members goes on, for all partitions of the topics.
    std::vector<CommittedOffset> seek_group(const std::string& group,
                                            const std::vector<std::string>& topics,
                                            StartPosition to);

    void create_subscription(const SubscriptionDefinition& definition);
    void ensure_subscription(const SubscriptionDefinition& definition);
    void delete_subscription(const std::string& name);
    [[nodiscard]] std::vector<SubscriptionStatus> list_subscriptions();
    [[nodiscard]] SubscriptionStatus describe_subscription(const std::string& name);
    void pause_subscription(const std::string& name, const std::string& reason);
    /// Nothing more goes out; what is in flight may be settled. `describe_subscription` says when
    /// it is drained.
    void drain_subscription(const std::string& name, const std::string& reason);
    void resume_subscription(const std::string& name);
    void alter_subscription(const std::string& name, const SubscriptionChange& change);
    void seek_subscription(const std::string& name, StartPosition to);

    /// By id, up to the query's limit. The broker looks at them in steps; a `where` over many takes
    /// its time.
    [[nodiscard]] std::vector<Letter> list_letters(const LetterQuery& query);
    /// Counts what the query wants, the most frequent first. The broker counts in steps; its limits
    /// do not matter.
    [[nodiscard]] std::vector<LetterGroup> group_letters(const LetterQuery& query,
                                                         LetterGroupBy by);
    /// Tries a jq program on every letter of a query and changes nothing.
    [[nodiscard]] LetterTrial try_transform(const LetterQuery& query, const std::string& transform);
    [[nodiscard]] Letter show_letter(const std::string& subscription, std::uint64_t id);
    /// Sends letters again; returns how many.
    std::uint64_t redrive_letters(const LetterSelection& selection, const LetterMend& mend = {});
    /// Mends letters and leaves them open; returns how many.
    std::uint64_t edit_letters(const LetterSelection& selection, const LetterMend& mend);
    std::uint64_t discard_letters(const LetterSelection& selection, const std::string& reason);

  private:
    friend class Client;
    class Impl;
    explicit Admin(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace
