#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

struct TopicSpec {
    std::string name;
    std::uint32_t partition_count = 1;
    TopicInfo settings;  ///< everything but name and partitions
};

/// What is set replaces what stands.
struct TopicAlteration {
    std::string name;
    std::optional<std::uint32_t> partition_count;
    std::optional<std::uint64_t> retention_ms;
    std::optional<std::uint64_t> retention_bytes;
    std::optional<Criticality> criticality;
    std::optional<Lifecycle> lifecycle;
    std::optional<std::string> owner;
    std::optional<std::string> description;
    std::optional<std::uint32_t> record_bytes_max;
    std::optional<std::string> replaced_by;
    std::optional<std::uint64_t> duplicate_window_ms;
    std::optional<bool> clustered;
    std::optional<Durability> durability;
};

/// What is set replaces what stands. What follows from the order or the topics can't change.
struct SubscriptionAlteration {
    std::string name;
    std::optional<std::string> description;
    std::optional<std::string> filter;  ///< for what is read from now on; empty: everything
    std::optional<std::uint32_t> window;
    std::optional<std::uint32_t> ack_timeout_ms;
    std::optional<std::uint32_t> attempts_max;
    std::optional<std::uint32_t> backoff_min_ms;
    std::optional<std::uint32_t> backoff_max_ms;
    std::optional<std::uint32_t> unknown_attempts_max;
    std::optional<std::uint32_t> unknown_backoff_min_ms;
    std::optional<std::uint32_t> unknown_backoff_max_ms;
    std::optional<std::uint32_t> parked_keys_max;
    std::optional<std::uint32_t> parked_records_max;
    std::optional<std::uint32_t> waiting_records_max;
    std::optional<std::uint32_t> probe_interval_max_ms;
    std::optional<std::uint32_t> rate_per_s;
    std::optional<std::uint32_t> rate_burst;
    std::optional<std::uint32_t> concurrency;
    std::optional<DeadLetterRule> dead_letter;
    std::optional<ExpiredRule> expired;
};

enum class IfExists : std::uint8_t { fail, accept };

using TopicDone = std::function<void(Result<std::shared_ptr<const TopicInfo>>)>;
using SubscriptionDone = std::function<void(Result<std::shared_ptr<const SubscriptionInfo>>)>;
using CatalogDone = std::function<void(Result<void>)>;

/// Changes the catalog through group 0.
///
/// Promise:  `done` runs on the calling shard after the change is durable and every shard has the
/// new view. Threads:  any shard's thread (it crosses to shard 0 by itself); one instance per
/// shard. Errors:   already_exists, unknown_topic, unknown_subscription, invalid_argument (with the
/// rule that was broken),
///           limit_reached (topics_max, partitions_max, subscriptions_max).
class CatalogService {
  public:
    CatalogService() = default;
    CatalogService(const CatalogService&) = delete;
    CatalogService& operator=(const CatalogService&) = delete;
    CatalogService(CatalogService&&) = delete;
    CatalogService& operator=(CatalogService&&) = delete;
    virtual ~CatalogService() = default;

    /// The view of this shard.
    [[nodiscard]] virtual CatalogPtr view() const = 0;

    virtual void create_topic(TopicSpec spec, IfExists if_exists, TopicDone done) = 0;
    virtual void alter_topic(TopicAlteration change, TopicDone done) = 0;
    virtual void delete_topic(std::string name, CatalogDone done) = 0;

    virtual void create_subscription(SubscriptionInfo definition,
                                     IfExists if_exists,
                                     SubscriptionDone done) = 0;
    virtual void delete_subscription(std::string name, CatalogDone done) = 0;
    virtual void pause_subscription(std::string name,
                                    std::string reason,
                                    SubscriptionDone done) = 0;
    /// Nothing more goes out; what is in flight may be settled.
    virtual void drain_subscription(std::string name,
                                    std::string reason,
                                    SubscriptionDone done) = 0;
    virtual void resume_subscription(std::string name, SubscriptionDone done) = 0;
    virtual void alter_subscription(SubscriptionAlteration change, SubscriptionDone done) = 0;
    virtual void seek_subscription(std::string name,
                                   StartAt start,
                                   UnixMicros time_us,
                                   SubscriptionDone done) = 0;

    /// What a node of the cluster is to do.
    virtual void set_node_duty(NodeId node, NodeDuty duty, CatalogDone done) = 0;
};

}  // namespace millrace::broker
