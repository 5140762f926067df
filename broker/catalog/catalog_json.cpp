#include "broker/catalog/catalog_json.hpp"

#include <optional>

#include <nlohmann/json.hpp>

#include "broker/catalog/catalog_command.hpp"
#include "storage/base/text/base64.hpp"

namespace millrace::broker {
namespace {

using Json = nlohmann::json;

template <class Value>
void read(const Json& json, const char* name, Value& value) {
    if (const auto found = json.find(name); found != json.end()) {
        if constexpr (std::is_enum_v<Value>) {
            value = static_cast<Value>(found->get<std::uint8_t>());
        } else {
            found->get_to(value);
        }
    }
}

template <class Enum>
int number_of(Enum value) {
    return static_cast<int>(value);
}

/// The library reports a wrong type by an exception; this is its one adapter.
template <class Info, class Fill>
Result<Info> parse(const Json& json, const char* what, Fill fill) {
    try {
        Info info;
        fill(info);
        return info;
    } catch (const Json::exception& error) {
        return fail(Errc::corrupt,
                    std::string("catalog: ") + what + " does not parse: " + error.what() + " in " +
                        json.dump());
    }
}

/// The member that holds the first text which is not UTF-8.
std::optional<std::string> find_bad_text(const Json& json, const std::string& member) {
    if (json.is_string()) {
        return is_utf8(json.get_ref<const std::string&>()) ? std::nullopt : std::optional(member);
    }
    std::optional<std::string> found;
    for (auto at = json.begin(); json.is_structured() && !found && at != json.end(); ++at) {
        found = find_bad_text(*at, json.is_object() ? at.key() : member);
    }
    return found;
}

}  // namespace

Result<CatalogCommand> format_command(const Json& command) {
    // Found here, since the library would throw where nobody catches.
    if (const auto bad = find_bad_text(command, "the command")) {
        return fail(Errc::invalid_argument, *bad + " is not UTF-8");
    }
    return command.dump();
}

Json to_json(const TopicInfo& topic) {
    Json partitions = Json::array();
    for (const auto& partition : topic.partitions) {
        partitions.push_back({partition.id.value, partition.group.value, partition.shard.value});
    }
    return {{"name", topic.name},
            {"partitions", partitions},
            {"retention_ms", topic.retention_ms},
            {"retention_bytes", topic.retention_bytes},
            {"criticality", number_of(topic.criticality)},
            {"lifecycle", number_of(topic.lifecycle)},
            {"owner", topic.owner},
            {"description", topic.description},
            {"record_bytes_max", topic.record_bytes_max},
            {"replaced_by", topic.replaced_by},
            {"created_us", topic.created_us},
            {"duplicate_window_ms", topic.duplicate_window_ms},
            {"clustered", topic.clustered},
            {"durability", number_of(topic.durability)}};
}

Result<TopicInfo> topic_from_json(const Json& json) {
    return parse<TopicInfo>(json, "topic", [&](TopicInfo& topic) {
        read(json, "name", topic.name);
        for (const auto& partition : json.at("partitions")) {
            topic.partitions.push_back({.id = PartitionId{partition.at(0).get<std::uint32_t>()},
                                        .group = GroupId{partition.at(1).get<std::uint32_t>()},
                                        .shard = ShardId{partition.at(2).get<std::uint32_t>()}});
        }
        read(json, "retention_ms", topic.retention_ms);
        read(json, "retention_bytes", topic.retention_bytes);
        read(json, "criticality", topic.criticality);
        read(json, "lifecycle", topic.lifecycle);
        read(json, "owner", topic.owner);
        read(json, "description", topic.description);
        read(json, "record_bytes_max", topic.record_bytes_max);
        read(json, "replaced_by", topic.replaced_by);
        read(json, "created_us", topic.created_us);
        read(json, "duplicate_window_ms", topic.duplicate_window_ms);
        read(json, "clustered", topic.clustered);
        read(json, "durability", topic.durability);
    });
}

Json to_json(const SubscriptionInfo& subscription) {
    return {{"name", subscription.name},
            {"id", subscription.id},
            {"topics", subscription.topics},
            {"order", number_of(subscription.order)},
            {"start", number_of(subscription.start)},
            {"start_time_us", subscription.start_time_us},
            {"created_us", subscription.created_us},
            {"window", subscription.window},
            {"ack_timeout_ms", subscription.ack_timeout_ms},
            {"attempts_max", subscription.attempts_max},
            {"backoff_min_ms", subscription.backoff_min_ms},
            {"backoff_max_ms", subscription.backoff_max_ms},
            {"parked_keys_max", subscription.parked_keys_max},
            {"parked_records_max", subscription.parked_records_max},
            {"description", subscription.description},
            {"paused", subscription.paused},
            {"pause_reason", subscription.pause_reason},
            {"seek_epoch", subscription.seek_epoch},
            {"filter", subscription.filter},
            {"unknown_attempts_max", subscription.unknown_attempts_max},
            {"unknown_backoff_min_ms", subscription.unknown_backoff_min_ms},
            {"unknown_backoff_max_ms", subscription.unknown_backoff_max_ms},
            {"dead_letter", number_of(subscription.dead_letter)},
            {"expired", number_of(subscription.expired)},
            {"rate_per_s", subscription.rate_per_s},
            {"rate_burst", subscription.rate_burst},
            {"concurrency", subscription.concurrency},
            {"waiting_records_max", subscription.waiting_records_max},
            {"probe_interval_max_ms", subscription.probe_interval_max_ms},
            {"draining", subscription.draining}};
}

Result<SubscriptionInfo> subscription_from_json(const Json& json) {
    return parse<SubscriptionInfo>(json, "subscription", [&](SubscriptionInfo& subscription) {
        read(json, "name", subscription.name);
        read(json, "id", subscription.id);
        read(json, "topics", subscription.topics);
        read(json, "order", subscription.order);
        read(json, "start", subscription.start);
        read(json, "start_time_us", subscription.start_time_us);
        read(json, "created_us", subscription.created_us);
        read(json, "window", subscription.window);
        read(json, "ack_timeout_ms", subscription.ack_timeout_ms);
        read(json, "attempts_max", subscription.attempts_max);
        read(json, "backoff_min_ms", subscription.backoff_min_ms);
        read(json, "backoff_max_ms", subscription.backoff_max_ms);
        read(json, "parked_keys_max", subscription.parked_keys_max);
        read(json, "parked_records_max", subscription.parked_records_max);
        read(json, "description", subscription.description);
        read(json, "paused", subscription.paused);
        read(json, "pause_reason", subscription.pause_reason);
        read(json, "seek_epoch", subscription.seek_epoch);
        read(json, "filter", subscription.filter);
        read(json, "unknown_attempts_max", subscription.unknown_attempts_max);
        read(json, "unknown_backoff_min_ms", subscription.unknown_backoff_min_ms);
        read(json, "unknown_backoff_max_ms", subscription.unknown_backoff_max_ms);
        read(json, "dead_letter", subscription.dead_letter);
        read(json, "expired", subscription.expired);
        read(json, "rate_per_s", subscription.rate_per_s);
        read(json, "rate_burst", subscription.rate_burst);
        read(json, "concurrency", subscription.concurrency);
        read(json, "waiting_records_max", subscription.waiting_records_max);
        read(json, "probe_interval_max_ms", subscription.probe_interval_max_ms);
        read(json, "draining", subscription.draining);
    });
}

}  // namespace millrace::broker
