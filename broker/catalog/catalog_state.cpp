#include "broker/catalog/catalog_state.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "broker/catalog/catalog_command.hpp"
#include "broker/catalog/catalog_json.hpp"
#include "client/wire/topic_pattern.hpp"

namespace millrace::broker {
namespace {

using Json = nlohmann::json;

constexpr std::uint32_t partitions_per_topic_max = 10'000;
constexpr std::string_view topic_prefix = "c/t/";
constexpr std::string_view node_prefix = "c/n/";
constexpr std::string_view counters_key = "c/meta";

std::string key_of(std::string_view prefix, const std::string& name) {
    return std::string(prefix) + name;
}

Error unknown_topic(const std::string& name) {
    return fail(Errc::unknown_topic, "topic \"" + name + "\" does not exist");
}

Result<void> check_settings(const TopicInfo& topic) {
    if (topic.criticality > Criticality::critical || topic.lifecycle > Lifecycle::retired) {
        return fail(Errc::invalid_argument,
                    "topic \"" + topic.name + "\": criticality " +
                        std::to_string(static_cast<int>(topic.criticality)) + " or lifecycle " +
                        std::to_string(static_cast<int>(topic.lifecycle)) + " has no meaning");
    }
    if (topic.durability > Durability::leader) {
        return fail(Errc::invalid_argument,
                    "topic \"" + topic.name + "\": durability " +
                        std::to_string(static_cast<int>(topic.durability)) +
                        " has no meaning: 0 is majority, 1 is leader");
    }
    return ok();
}

}  // namespace

CatalogCommand format_found_cluster(const std::string& cluster_id) {
    return Json{{"op", "found_cluster"}, {"cluster_id", cluster_id}}.dump();
}

CatalogCommand format_node_duty(NodeId node, NodeDuty duty) {
    return Json{{"op", "drain_node"},
                {"node", node.value},
                {"drained", duty != NodeDuty::full},
                {"leaving", duty == NodeDuty::leaving}}
        .dump();
}

Result<CatalogCommand> format_create_topic(const TopicSpec& spec,
                                           IfExists if_exists,
                                           UnixMicros now) {
    auto settings = spec.settings;
    settings.name = spec.name;
    settings.created_us = now;
    settings.partitions.clear();
    return format_command({{"op", "create_topic"},
                           {"name", spec.name},
                           {"partition_count", spec.partition_count},
                           {"if_exists_ok", if_exists == IfExists::accept},
                           {"topic", to_json(settings)}});
}

Result<CatalogCommand> format_alter_topic(const TopicAlteration& change) {
    Json set = Json::object();
    const auto add = [&set](const char* name, const auto& value) {
        set_if_given(set, name, value);
    };
    add("retention_ms", change.retention_ms);
    add("retention_bytes", change.retention_bytes);
    add("criticality", change.criticality);
    add("lifecycle", change.lifecycle);
    add("owner", change.owner);
    add("description", change.description);
    add("record_bytes_max", change.record_bytes_max);
    add("replaced_by", change.replaced_by);
    add("duplicate_window_ms", change.duplicate_window_ms);
    add("clustered", change.clustered);
    add("durability", change.durability);
    Json command{{"op", "alter_topic"}, {"name", change.name}, {"set", set}};
    if (change.partition_count) {
        command["partition_count"] = *change.partition_count;
    }
    return format_command(command);
}

Result<CatalogCommand> format_delete_topic(const std::string& name) {
    return format_command({{"op", "delete_topic"}, {"name", name}});
}

void CatalogState::clear() {
    counters_ = {};
    topics_.clear();
    subscriptions_.clear();
    drained_.clear();
    leaving_.clear();
    partitions_on_shard_.clear();
    partition_count_ = 0;
}

Result<void> CatalogState::load(std::string_view key, std::string_view value) {
    const auto json = Json::parse(value, nullptr, false);
    if (!json.is_object()) {
        return fail(Errc::corrupt, "catalog: row " + std::string(key) + " is not JSON");
    }
    if (key == counters_key) {
        counters_ = {.version = json.value("version", std::uint64_t{0}),
                     .next_partition = json.value("next_partition", 1U),
                     .next_subscription = json.value("next_subscription", 1U),
                     .cluster_id = json.value("cluster_id", "")};
    } else if (key.starts_with(topic_prefix)) {
        MILLRACE_TRY(auto topic, topic_from_json(json));
        partitions_on_shard_.resize(
            std::max<std::size_t>(partitions_on_shard_.size(), limits_.shard_count));
        for (const auto& partition : topic.partitions) {
            partitions_on_shard_.resize(
                std::max<std::size_t>(partitions_on_shard_.size(), partition.shard.value + 1));
            ++partitions_on_shard_[partition.shard.value];
        }
        partition_count_ += static_cast<std::uint32_t>(topic.partitions.size());
        auto name = topic.name;
        topics_[name] = std::make_shared<const TopicInfo>(std::move(topic));
    } else if (key.starts_with(node_prefix)) {
        note_drained(NodeId{json.value("node", std::uint64_t{0})}, json.value("leaving", false));
    } else if (key.starts_with(subscription_prefix)) {
        MILLRACE_TRY(auto subscription, subscription_from_json(json));
        auto name = subscription.name;
        subscriptions_[name] = std::make_shared<const SubscriptionInfo>(std::move(subscription));
    }
    return ok();
}

Result<CatalogState::Outcome> CatalogState::apply(std::string_view text, const Rows& rows) {
    const auto json = Json::parse(text, nullptr, false);
    if (!json.is_object() || !json.contains("op")) {
        return fail(Errc::malformed, "catalog: a command is not JSON");
    }
    const Command command{.json = json, .rows = rows};
    const auto op = json.at("op").get<std::string>();
    Result<Outcome> outcome =
        fail(Errc::unsupported_version, "catalog: unknown command \"" + op + "\"");
    if (op == "create_topic") {
        outcome = create_topic(command);
    } else if (op == "alter_topic") {
        outcome = alter_topic(command);
    } else if (op == "delete_topic") {
        outcome = delete_topic(command);
    } else if (op == "create_subscription") {
        outcome = create_subscription(command);
    } else if (op == "change_subscription") {
        outcome = change_subscription(command);
    } else if (op == "alter_subscription") {
        outcome = alter_subscription(command);
    } else if (op == "delete_subscription") {
        outcome = delete_subscription(command);
    } else if (op == "drain_node") {
        set_node_duty(command);
        outcome = Outcome{};
    } else if (op == "found_cluster") {
        counters_.cluster_id = json.at("cluster_id").get<std::string>();
        outcome = Outcome{};
    }
    if (outcome) {
        ++counters_.version;
        rows.put(counters_key,
                 Json{{"version", counters_.version},
                      {"next_partition", counters_.next_partition},
                      {"next_subscription", counters_.next_subscription},
                      {"cluster_id", counters_.cluster_id}}
                     .dump());
    }
    return outcome;
}

void CatalogState::set_node_duty(const Command& command) {
    const NodeId node{command.json.at("node").get<std::uint64_t>()};
    const bool is_leaving = command.json.value("leaving", false);
    const auto key = key_of(node_prefix, std::to_string(node.value));
    drained_.erase(node);
    leaving_.erase(node);
    if (command.json.at("drained").get<bool>()) {
        note_drained(node, is_leaving);
        command.rows.put(key, Json{{"node", node.value}, {"leaving", is_leaving}}.dump());
    } else {
        command.rows.erase(key);
    }
}

void CatalogState::note_drained(NodeId node, bool is_leaving) {
    drained_.insert(node);
    if (is_leaving) {
        leaving_.insert(node);
    }
}

CatalogState::Outcome CatalogState::put_topic(const Command& command, TopicInfo topic) {
    command.rows.put(key_of(topic_prefix, topic.name), to_json(topic).dump());
    auto stored = std::make_shared<const TopicInfo>(std::move(topic));
    topics_[stored->name] = stored;
    return {.topic = stored, .subscription = nullptr};
}

Result<void> CatalogState::add_partitions(TopicInfo& topic, std::uint32_t count) {
    if (count > partitions_per_topic_max) {
        return fail(Errc::invalid_argument,
                    "a topic has 1 to " + std::to_string(partitions_per_topic_max) +
                        " partitions, not " + std::to_string(count));
    }
    const auto more = count - static_cast<std::uint32_t>(topic.partitions.size());
    if (partition_count_ + more > limits_.partitions_max) {
        return limit_error("partitions_max", limits_.partitions_max);
    }
    partitions_on_shard_.resize(
        std::max<std::size_t>(partitions_on_shard_.size(), limits_.shard_count));
    for (std::uint32_t i = 0; i < more; ++i) {
        const auto begin = partitions_on_shard_.begin();
        const auto least = std::min_element(begin, begin + limits_.shard_count);
        ++*least;
        const ShardId shard{static_cast<std::uint32_t>(least - begin)};
        topic.partitions.push_back({.id = PartitionId{counters_.next_partition++},
                                    .group = GroupId{shard.value + 1},
                                    .shard = shard});
    }
    partition_count_ += more;
    return ok();
}

Result<CatalogState::Outcome> CatalogState::create_topic(const Command& command) {
    const auto name = command.name();
    if (const auto found = topics_.find(name); found != topics_.end()) {
        if (command.accepts_existing()) {
            return Outcome{.topic = found->second, .subscription = nullptr};
        }
        return fail(Errc::already_exists, "topic \"" + name + "\" exists already");
    }
    if (!wire::is_topic_name(name)) {
        return fail(Errc::invalid_argument,
                    "\"" + name +
                        "\" is not a topic name: lower-case words of letters, digits, '_' and '-', "
                        "joined by dots");
    }
    if (topics_.size() >= limits_.topics_max) {
        return limit_error("topics_max", limits_.topics_max);
    }
    const auto count = command.json.at("partition_count").get<std::uint32_t>();
    if (count == 0) {
        return fail(Errc::invalid_argument, "a topic has at least one partition");
    }
    MILLRACE_TRY(auto topic, topic_from_json(command.json.at("topic")));
    MILLRACE_TRY(check_settings(topic));
    MILLRACE_TRY(add_partitions(topic, count));
    return put_topic(command, std::move(topic));
}

Result<CatalogState::Outcome> CatalogState::alter_topic(const Command& command) {
    const auto found = topics_.find(command.name());
    if (found == topics_.end()) {
        return unknown_topic(command.name());
    }
    auto merged = to_json(*found->second);
    merged.update(command.json.at("set"));
    MILLRACE_TRY(auto topic, topic_from_json(merged));
    MILLRACE_TRY(check_settings(topic));
    const auto present = static_cast<std::uint32_t>(topic.partitions.size());
    const auto count = command.json.value("partition_count", present);
    if (count < present) {
        return fail(Errc::invalid_argument,
                    "topic \"" + topic.name + "\" has " + std::to_string(present) +
                        " partitions; their number may only grow");
    }
    MILLRACE_TRY(add_partitions(topic, count));
    return put_topic(command, std::move(topic));
}

Result<CatalogState::Outcome> CatalogState::delete_topic(const Command& command) {
    if (!topics_.contains(command.name())) {
        return unknown_topic(command.name());
    }
    erase_topic(command, command.name());
    return Outcome{};
}

void CatalogState::erase_topic(const Command& command, const std::string& name) {
    const auto found = topics_.find(name);
    if (found == topics_.end()) {
        return;
    }
    for (const auto& partition : found->second->partitions) {
        --partitions_on_shard_[partition.shard.value];
        --partition_count_;
    }
    command.rows.erase(key_of(topic_prefix, found->first));
    topics_.erase(found);
}

CatalogPtr CatalogState::make_view() const {
    auto view = std::make_shared<CatalogView>();
    view->version = counters_.version;
    view->cluster_id = counters_.cluster_id;
    view->topics = topics_;
    view->subscriptions = subscriptions_;
    view->drained = drained_;
    view->leaving = leaving_;
    view->partitions.reserve(partition_count_);
    for (const auto& [name, topic] : topics_) {
        for (std::uint32_t i = 0; i < topic->partitions.size(); ++i) {
            view->partitions.emplace(topic->partitions[i].id,
                                     CatalogView::PartitionRef{.topic = topic, .index = i});
        }
    }
    return view;
}

}  // namespace millrace::broker
