#include "client/cli/views/json_views.hpp"

#include <ostream>

#include <nlohmann/json.hpp>

#include "client/cli/app/session.hpp"
#include "client/cli/text/enum_names.hpp"
#include "client/cli/text/json_line.hpp"
#include "client/cli/text/position_text.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;

Json to_json(const ShardStatus& shard) {
    return {{"shard", shard.shard},
            {"partitions", shard.partitions},
            {"connections", shard.connections},
            {"log_bytes", shard.log_bytes},
            {"live_bytes", shard.live_bytes},
            {"segments", shard.segments},
            {"segments_free", shard.segments_free},
            {"commits", shard.commits},
            {"records_in", shard.records_in},
            {"records_out", shard.records_out},
            {"disk_free_bytes", shard.disk_free_bytes},
            {"torn_tails_cut", shard.torn_tails_cut},
            {"frames_quarantined", shard.frames_quarantined},
            {"out_of_space", shard.out_of_space},
            {"failed", shard.failed},
            {"failure", shard.failure}};
}

Json to_json(const GroupMember& member) {
    Json partitions = Json::array();
    for (const auto& [topic, partition] : member.partitions) {
        partitions.push_back({{"topic", topic}, {"partition", partition}});
    }
    return {{"member_id", member.member_id},
            {"client_name", member.client_name},
            {"peer", member.peer},
            {"partitions", std::move(partitions)}};
}

Json definition_to_json(const SubscriptionDefinition& definition) {
    return {{"name", definition.name},
            {"topics", definition.topics},
            {"order", name_of(order_names, definition.order)},
            {"start", format_start(definition.start)},
            {"window", definition.window},
            {"ack_timeout_ms", definition.ack_timeout.count()},
            {"attempts_max", definition.attempts_max},
            {"backoff_min_ms", definition.backoff_min.count()},
            {"backoff_max_ms", definition.backoff_max.count()},
            {"parked_keys_max", definition.parked_keys_max},
            {"parked_records_max", definition.parked_records_max},
            {"description", definition.description},
            {"filter", definition.filter},
            {"unknown_attempts_max", definition.unknown_attempts_max},
            {"unknown_backoff_min_ms", definition.unknown_backoff_min.count()},
            {"unknown_backoff_max_ms", definition.unknown_backoff_max.count()},
            {"dead_letter", name_of(dead_letter_rule_names, definition.dead_letter)},
            {"expired", name_of(expired_rule_names, definition.expired)},
            {"rate_per_s", definition.rate_per_s},
            {"rate_burst", definition.rate_burst},
            {"concurrency", definition.concurrency},
            {"waiting_records_max", definition.waiting_records_max},
            {"probe_interval_max_ms", definition.probe_interval_max.count()}};
}

Json to_json(const CircuitChange& change) {
    return {{"time_us", change.time_us},
            {"shard", change.shard},
            {"from", name_of(circuit_names, change.from)},
            {"to", name_of(circuit_names, change.to)},
            {"cause", name_of(cause_names, change.cause)},
            {"reason", change.reason}};
}

}  // namespace

Json to_json(const TopicDescription& topic) {
    Json out{{"name", topic.name},
             {"partition_count", topic.partition_count},
             {"retention_ms", topic.retention_ms},
             {"retention_bytes", topic.retention_bytes},
             {"criticality", name_of(criticality_names, topic.criticality)},
             {"lifecycle", name_of(lifecycle_names, topic.lifecycle)},
             {"owner", topic.owner},
             {"description", topic.description},
             {"record_bytes_max", topic.record_bytes_max},
             {"duplicate_window_ms", topic.duplicate_window_ms},
             {"clustered", topic.clustered},
             {"durability", name_of(durability_names, topic.durability)},
             {"replaced_by", topic.replaced_by},
             {"created_us", topic.created_us},
             {"partitions", Json::array()}};
    for (const TopicPartition& partition : topic.partitions) {
        out["partitions"].push_back({{"index", partition.index},
                                     {"partition_id", partition.partition_id},
                                     {"shard", partition.shard},
                                     {"first_offset", partition.first_offset},
                                     {"next_offset", partition.next_offset},
                                     {"live_bytes", partition.live_bytes}});
    }
    return out;
}

Json to_json(const CommittedOffset& committed) {
    const bool has_lag = committed.next_offset > committed.offset;
    return {{"topic", committed.topic},
            {"partition", committed.partition},
            {"offset", committed.offset},
            {"next_offset", committed.next_offset},
            {"lag", has_lag ? committed.next_offset - committed.offset : 0}};
}

Json to_json(const GroupDescription& group) {
    Json out{{"name", group.name},
             {"generation", group.generation},
             {"members", Json::array()},
             {"offsets", Json::array()}};
    for (const GroupMember& member : group.members) {
        out["members"].push_back(to_json(member));
    }
    for (const CommittedOffset& committed : group.offsets) {
        out["offsets"].push_back(to_json(committed));
    }
    return out;
}

Json to_json(const SubscriptionStatus& status) {
    Json out = definition_to_json(status.definition);
    out["paused"] = status.paused;
    out["circuit"] = name_of(circuit_names, status.circuit);
    out["reason"] = status.reason;
    out["consumers"] = status.consumers;
    out["in_flight"] = status.in_flight;
    out["waiting_retry"] = status.waiting_retry;
    out["parked_keys"] = status.parked_keys;
    out["parked_records"] = status.parked_records;
    out["lag_records"] = status.lag_records;
    out["lag_us"] = status.lag_us;
    out["delivered"] = status.delivered;
    out["acked"] = status.acked;
    out["nacked"] = status.nacked;
    out["letters_open"] = status.letters_open;
    out["draining"] = status.draining;
    out["drained_us"] = status.drained_us;
    out["waiting_delay"] = status.waiting_delay;
    out["next_retry_us"] = status.next_retry_us;
    out["next_delay_us"] = status.next_delay_us;
    out["filtered"] = status.filtered;
    out["filter_failed"] = status.filter_failed;
    out["expired"] = status.expired;
    out["dropped"] = status.dropped;
    out["oldest_letter_us"] = status.oldest_letter_us;
    out["circuit_changes"] = Json::array();
    for (const CircuitChange& change : status.circuit_changes) {
        out["circuit_changes"].push_back(to_json(change));
    }
    out["letters_by_cause"] = Json::object();
    for (const auto& [cause, count] : status.letters_by_cause) {
        out["letters_by_cause"][name_of(cause_names, cause)] = count;
    }
    out["partitions"] = Json::array();
    for (const SubscriptionPartitionStatus& partition : status.partitions) {
        out["partitions"].push_back({{"topic", partition.topic},
                                     {"partition", partition.partition},
                                     {"floor", partition.floor},
                                     {"next_offset", partition.next_offset},
                                     {"settled_above_floor", partition.settled_above_floor}});
    }
    return out;
}

Json to_json(const Letter& letter) {
    Json out{{"id", letter.id},
             {"subscription", letter.subscription},
             {"topic", letter.topic},
             {"partition", letter.partition},
             {"offset", letter.offset},
             {"key", letter.key},
             {"cause", name_of(cause_names, letter.cause)},
             {"error", letter.error},
             {"response", letter.response},
             {"attempts", letter.attempts},
             {"first_failure_us", letter.first_failure_us},
             {"last_failure_us", letter.last_failure_us},
             {"append_time_us", letter.append_time_us},
             {"correlation_id", letter.correlation_id},
             {"state", name_of(letter_state_names, letter.state)},
             {"parked_behind", letter.parked_behind},
             {"actions", Json::array()}};
    for (const LetterAction& action : letter.actions) {
        out["actions"].push_back({{"time_us", action.time_us},
                                  {"action", action.action},
                                  {"by", action.by},
                                  {"text", action.text}});
    }
    if (letter.record) {
        out["record"] = Json::parse(format_json_line(*letter.record));
    }
    if (letter.edited) {
        out["edited"] = Json::parse(format_json_line(*letter.edited));
    }
    return out;
}

Json to_json(const NodeStatus& status) {
    Json out{{"version", status.version},
             {"cluster_id", status.cluster_id},
             {"node_id", status.node_id},
             {"uptime_ms", status.uptime_ms},
             {"resident_bytes", status.resident_bytes},
             {"topics", status.topics},
             {"partitions", status.partitions},
             {"subscriptions", status.subscriptions},
             {"shards", Json::array()}};
    for (const ShardStatus& shard : status.shards) {
        out["shards"].push_back(to_json(shard));
    }
    return out;
}

void print_json(Session& session, const Json& document) {
    session.out() << document.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

std::string format_start(const StartPosition& start) {
    switch (start.at) {
        case StartAt::earliest:
            return "beginning";
        case StartAt::latest:
            return "end";
        case StartAt::time:
            return format_time(start.time_us);
    }
    return "unknown";
}

StartPosition parse_start(const std::string& text, const std::string& what) {
    const ReadPosition position = parse_position(text, unix_now_us(), what);
    if (std::holds_alternative<FromBeginning>(position)) {
        return {.at = StartAt::earliest};
    }
    if (std::holds_alternative<FromEnd>(position)) {
        return {.at = StartAt::latest};
    }
    if (const auto* time = std::get_if<FromTime>(&position)) {
        return {.at = StartAt::time, .time_us = time->time_us};
    }
    throw UsageError(what + ": \"" + text +
                     "\" can't hold for all partitions; write beginning, end or @TIME");
}

}  // namespace millrace::cli
