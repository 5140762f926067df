#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/catalog/catalog_service.hpp"
#include "broker/catalog/catalog_view.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

struct CatalogLimits {
    std::uint32_t topics_max = 10'000;
    std::uint32_t partitions_max = 100'000;
    std::uint32_t subscriptions_max = 1'000;
    std::uint32_t shard_count = 1;
};

/// A change on its way through group 0: JSON text of the form {"op": "create_topic", ...}. Errors
/// of all that format one: invalid_argument, where a text is not UTF-8.
using CatalogCommand = std::string;
[[nodiscard]] CatalogCommand format_found_cluster(const std::string& cluster_id);
[[nodiscard]] CatalogCommand format_node_duty(NodeId node, NodeDuty duty);
[[nodiscard]] Result<CatalogCommand> format_create_topic(const TopicSpec& spec,
                                                         IfExists if_exists,
                                                         UnixMicros now);
[[nodiscard]] Result<CatalogCommand> format_alter_topic(const TopicAlteration& change);
[[nodiscard]] Result<CatalogCommand> format_delete_topic(const std::string& name);
[[nodiscard]] Result<CatalogCommand> format_create_subscription(const SubscriptionInfo& definition,
                                                                IfExists if_exists,
                                                                UnixMicros now);
[[nodiscard]] Result<CatalogCommand> format_delete_subscription(const std::string& name);
/// Pause (with a reason), drain, resume and seek: what is set changes.
struct SubscriptionChange {
    std::string name;
    std::optional<bool> paused;
    std::optional<bool> draining;
    std::string pause_reason;
    std::optional<StartAt> seek;
    UnixMicros seek_time_us = 0;
};
[[nodiscard]] Result<CatalogCommand> format_change_subscription(const SubscriptionChange& change);
[[nodiscard]] Result<CatalogCommand> format_alter_subscription(
    const SubscriptionAlteration& change);

/// The state machine of group 0.
///
/// Promise:  the same commands give the same state: `apply` looks at no clock and no randomness.
/// What changed is written as rows
///           through `put` and `erase`, from which `load` brings it back.
/// Threads:  shard 0's.
class CatalogState {
  public:
    struct Rows {
        std::function<void(std::string_view key, std::string_view value)> put;
        std::function<void(std::string_view key)> erase;
    };
    explicit CatalogState(CatalogLimits limits) : limits_(limits) {}

    /// Rows as they were put; in any order. Errors: corrupt.
    [[nodiscard]] Result<void> load(std::string_view key, std::string_view value);
    void clear();

    struct Outcome {
        std::shared_ptr<const TopicInfo> topic;
        std::shared_ptr<const SubscriptionInfo> subscription;
    };
    /// Errors: already_exists, unknown_topic, unknown_subscription, invalid_argument,
    /// limit_reached: nothing changed.
    [[nodiscard]] Result<Outcome> apply(std::string_view text, const Rows& rows);
    [[nodiscard]] CatalogPtr make_view() const;

    static constexpr std::string_view key_prefix = "c/";

  private:
    struct Counters {
        std::uint64_t version = 0;
        std::uint32_t next_partition = 1;
        std::uint32_t next_subscription = 1;
        std::string cluster_id;
    };
    struct Command;
    void set_node_duty(const Command& command);
    void note_drained(NodeId node, bool is_leaving);
    [[nodiscard]] Result<Outcome> create_topic(const Command& command);
    [[nodiscard]] Result<Outcome> alter_topic(const Command& command);
    [[nodiscard]] Result<Outcome> delete_topic(const Command& command);
    [[nodiscard]] Result<Outcome> create_subscription(const Command& command);
    [[nodiscard]] Result<Outcome> change_subscription(const Command& command);
    [[nodiscard]] Result<Outcome> alter_subscription(const Command& command);
    [[nodiscard]] Result<Outcome> delete_subscription(const Command& command);
    [[nodiscard]] Result<void> add_partitions(TopicInfo& topic, std::uint32_t count);
    void erase_topic(const Command& command, const std::string& name);
    [[nodiscard]] Outcome put_topic(const Command& command, TopicInfo topic);
    [[nodiscard]] Outcome put_subscription(const Command& command, SubscriptionInfo subscription);

    CatalogLimits limits_;
    Counters counters_;
    std::map<std::string, std::shared_ptr<const TopicInfo>, std::less<>> topics_;
    std::map<std::string, std::shared_ptr<const SubscriptionInfo>, std::less<>> subscriptions_;
    std::set<NodeId> drained_;
    std::set<NodeId> leaving_;
    std::vector<std::uint32_t> partitions_on_shard_;
    std::uint32_t partition_count_ = 0;
};

}  // namespace millrace::broker
