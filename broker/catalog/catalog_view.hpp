#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker {

enum class Criticality : std::uint8_t { bulk = 0, standard = 1, critical = 2 };
inline constexpr std::size_t criticality_count = 3;
/// What an ack of a topic's records stands for: they are on the disks of a majority of the nodes,
/// or on that of the node that leads.
enum class Durability : std::uint8_t { majority = 0, leader = 1 };
enum class Lifecycle : std::uint8_t { draft = 0, active = 1, deprecated = 2, retired = 3 };

struct PartitionInfo {
    PartitionId id;
    GroupId group;  ///< the consensus group that carries it; the shard follows from the group
    ShardId shard;
};

inline constexpr std::uint64_t duplicate_window_ms_default = 86'400'000;  ///< a day

/// A topic as a product: docs/delivery.md explains each field.
struct TopicInfo {
    std::string name;
    std::vector<PartitionInfo> partitions;  ///< position = partition index
    std::uint64_t retention_ms = 0;         ///< 0: for ever
    std::uint64_t retention_bytes = 0;      ///< 0: no limit; per partition
    Criticality criticality = Criticality::standard;
    Lifecycle lifecycle = Lifecycle::active;
    std::string owner;
    std::string description;
    std::uint32_t record_bytes_max = 0;  ///< 0: the broker's limit
    std::string replaced_by;
    UnixMicros created_us = 0;
    /// How long an event-id is remembered; 0: never looked at.
    std::uint64_t duplicate_window_ms = duplicate_window_ms_default;
    /// Old records of a partition are made to lie side by side.
    bool clustered = false;
    Durability durability = Durability::majority;
};

enum class Order : std::uint8_t { key = 0, none = 1 };
enum class StartAt : std::uint8_t { earliest = 0, latest = 1, time = 2 };
/// What becomes of a record that is given up: a dead letter, or nothing but a count.
enum class DeadLetterRule : std::uint8_t { keep = 0, drop = 1 };
/// What becomes of a record that is not delivered before its `expires-at`.
enum class ExpiredRule : std::uint8_t { drop = 0, dead_letter = 1 };

/// The durable definition of a queue subscription.
struct SubscriptionInfo {
    std::string name;
    std::uint32_t id = 0;  ///< never used again; keys of its state start with it
    std::vector<std::string> topics;
    Order order = Order::key;
    StartAt start = StartAt::earliest;
    UnixMicros start_time_us = 0;
    UnixMicros created_us = 0;  ///< `latest` means: appended after this
    std::uint32_t window = 1024;
    std::uint32_t ack_timeout_ms = 60'000;
    std::uint32_t attempts_max = 10;
    std::uint32_t backoff_min_ms = 200;
    std::uint32_t backoff_max_ms = 60'000;
    std::uint32_t parked_keys_max = 100'000;
    std::uint32_t parked_records_max = 1'000'000;
    std::string description;
    bool paused = false;
    std::string pause_reason;
    std::uint32_t seek_epoch = 0;  ///< raised by a seek; partitions then start over at `start`
    std::string filter;            ///< a jq program; empty: everything
    // For records whose outcome is unknown; 0: as for the others.
    std::uint32_t unknown_attempts_max = 0;
    std::uint32_t unknown_backoff_min_ms = 0;
    std::uint32_t unknown_backoff_max_ms = 0;
    DeadLetterRule dead_letter = DeadLetterRule::keep;
    ExpiredRule expired = ExpiredRule::drop;
    std::uint32_t rate_per_s = 0;  ///< records handed out in a second, over all shards; 0: no limit
    std::uint32_t rate_burst = 0;  ///< how many of them at once; 0: as many as in a second
    std::uint32_t concurrency = 0;  ///< records in flight, over all shards; 0: no limit
    std::uint32_t waiting_records_max = 100'000;  ///< for a retry or their `deliver-after`
    std::uint32_t probe_interval_max_ms = 5'000;  ///< while the target is out
    bool draining = false;  ///< nothing more goes out, what is in flight may be settled
};

/// What a node of a cluster is to do.
enum class NodeDuty : std::uint8_t {
    full,
    drained,  ///< not to lead, nor to vote where others can
    leaving,  ///< as drained, and taken out once another leads
};

/// Everything that group 0 knows, at one moment.
///
/// Promise:  never changes; a new one replaces it, and every shard holds one.
struct CatalogView {
    struct PartitionRef {
        std::shared_ptr<const TopicInfo> topic;
        std::uint32_t index = 0;
        [[nodiscard]] const PartitionInfo& info() const { return topic->partitions[index]; }
    };

    std::uint64_t version = 0;
    std::string cluster_id;
    std::map<std::string, std::shared_ptr<const TopicInfo>, std::less<>> topics;
    std::map<std::string, std::shared_ptr<const SubscriptionInfo>, std::less<>> subscriptions;
    std::unordered_map<PartitionId, PartitionRef> partitions;
    std::set<NodeId> drained;  ///< nodes of another duty than the full one
    std::set<NodeId> leaving;  ///< of these

    [[nodiscard]] const PartitionRef* find(PartitionId id) const {
        const auto found = partitions.find(id);
        return found == partitions.end() ? nullptr : &found->second;
    }
    /// Topics whose name is one of, or matches one of, the patterns; all for none. Those that the
    /// broker makes for itself only where a pattern names them with its first word.
    [[nodiscard]] std::vector<std::shared_ptr<const TopicInfo>> matching(
        const std::vector<std::string>& patterns) const;
};

using CatalogPtr = std::shared_ptr<const CatalogView>;

}  // namespace millrace::broker
