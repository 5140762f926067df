#include "broker/gateways/http/admin/subscription_json.hpp"

#include "broker/gateways/http/admin/members.hpp"

namespace millrace::broker::http {
namespace {

Field number(std::string_view name, std::string_view help) {
    return {.name = name, .type = FieldType::integer, .help = help, .max = UINT32_MAX};
}

/// What a subscription and an alteration of one have under the same names.
template <class Target>
void take_alterable(const Json& body, Target& target) {
    take(body, "description", target.description);
    take(body, "filter", target.filter);
    take(body, "window", target.window);
    take(body, "ack_timeout_ms", target.ack_timeout_ms);
    take(body, "attempts_max", target.attempts_max);
    take(body, "backoff_min_ms", target.backoff_min_ms);
    take(body, "backoff_max_ms", target.backoff_max_ms);
    take(body, "unknown_attempts_max", target.unknown_attempts_max);
    take(body, "unknown_backoff_min_ms", target.unknown_backoff_min_ms);
    take(body, "unknown_backoff_max_ms", target.unknown_backoff_max_ms);
    take(body, "parked_keys_max", target.parked_keys_max);
    take(body, "parked_records_max", target.parked_records_max);
    take(body, "waiting_records_max", target.waiting_records_max);
    take(body, "probe_interval_max_ms", target.probe_interval_max_ms);
    take(body, "rate_per_s", target.rate_per_s);
    take(body, "rate_burst", target.rate_burst);
    take(body, "concurrency", target.concurrency);
    take_named(body, "dead_letter", dead_letter_names, target.dead_letter);
    take_named(body, "expired", expired_names, target.expired);
}

Json partition_json(const delivery::PartitionProgress& partition, const CatalogView& view) {
    const auto* const ref = view.find(partition.partition);
    return {{"topic", ref == nullptr ? "" : ref->topic->name},
            {"partition", ref == nullptr ? 0 : ref->index},
            {"floor", partition.floor.value},
            {"next_offset", partition.next.value},
            {"settled_above_floor", partition.settled_above_floor}};
}

Json change_json(ShardId shard, const delivery::CircuitChange& change) {
    return {{"time_us", change.time_us},
            {"shard", shard.value},
            {"from", name_of(change.from)},
            {"to", name_of(change.to)},
            {"cause", name_in(cause_names, change.cause)},
            {"reason", change.reason}};
}

void add_counts(Json& json, const delivery::SubscriptionProgress& total) {
    json["consumers"] = total.consumers;
    json["in_flight"] = total.in_flight;
    json["waiting_retry"] = total.waiting_retry;
    json["waiting_delay"] = total.waiting_delay;
    json["next_retry_us"] = total.next_retry_us;
    json["next_delay_us"] = total.next_delay_us;
    json["parked_keys"] = total.parked_keys;
    json["parked_records"] = total.parked_records;
    json["lag_records"] = total.lag_records;
    json["lag_us"] = total.lag_us;
    json["delivered"] = total.delivered;
    json["acked"] = total.acked;
    json["nacked"] = total.nacked;
    json["filtered"] = total.filtered;
    json["filter_failed"] = total.filter_failed;
    json["expired_records"] = total.expired;
    json["dropped"] = total.dropped;
    json["letters_open"] = total.letters_open;
    json["oldest_letter_us"] = total.oldest_letter_us;
}

}  // namespace

std::vector<Field> alterable_subscription_fields() {
    return {{.name = "description", .help = "What it is for."},
            {.name = "filter", .help = "A jq program; only what it says true to is delivered."},
            number("window", "Records in flight, of each shard."),
            number("ack_timeout_ms", "How long a consumer may keep a record."),
            number("attempts_max", "Then it becomes a dead letter."),
            number("backoff_min_ms", "Before the first retry."),
            number("backoff_max_ms", "Before the last ones."),
            number("unknown_attempts_max", "For outcomes that nobody knows; 0: as the others."),
            number("unknown_backoff_min_ms", "The same."),
            number("unknown_backoff_max_ms", "The same."),
            number("parked_keys_max", "Keys that wait behind a failure."),
            number("parked_records_max", "Records that wait so."),
            number("waiting_records_max", "Records that wait for a retry or their time."),
            number("probe_interval_max_ms", "Between probes while the target is out."),
            number("rate_per_s", "Records handed out in a second; 0: no limit."),
            number("rate_burst", "How many of them at once."),
            number("concurrency", "Records in flight, of all shards; 0: no limit."),
            {.name = "dead_letter",
             .help = "What becomes of a record that is given up.",
             .one_of = words_of(dead_letter_names)},
            {.name = "expired",
             .help = "What becomes of a record whose time is over.",
             .one_of = words_of(expired_names)}};
}

std::vector<Field> subscription_fields() {
    auto fields = alterable_subscription_fields();
    const std::vector<Field> fixed{
        {.name = "name", .help = "Of the subscription.", .is_required = true},
        {.name = "topics",
         .type = FieldType::texts,
         .help = "Names or patterns.",
         .is_required = true},
        {.name = "order",
         .help = "One after another by key, or not.",
         .one_of = words_of(order_names)},
        {.name = "start", .help = "earliest (the default), latest, or a moment."}};
    fields.insert(fields.begin(), fixed.begin(), fixed.end());
    return fields;
}

SubscriptionInfo subscription_from(const Json& body) {
    SubscriptionInfo info;
    take(body, "name", info.name);
    take(body, "topics", info.topics);
    take_named(body, "order", order_names, info.order);
    take_alterable(body, info);
    return info;
}

SubscriptionAlteration subscription_alteration_from(const std::string& name, const Json& body) {
    SubscriptionAlteration change;
    change.name = name;
    take_alterable(body, change);
    return change;
}

Json to_json(const SubscriptionInfo& info) {
    Json json{{"name", info.name},
              {"topics", info.topics},
              {"order", name_in(order_names, info.order)},
              {"start",
               info.start == StartAt::earliest ? "earliest"
               : info.start == StartAt::latest ? "latest"
                                               : "time"},
              {"start_time_us", info.start_time_us},
              {"created_us", info.created_us},
              {"description", info.description},
              {"filter", info.filter},
              {"window", info.window},
              {"ack_timeout_ms", info.ack_timeout_ms},
              {"attempts_max", info.attempts_max},
              {"backoff_min_ms", info.backoff_min_ms},
              {"backoff_max_ms", info.backoff_max_ms},
              {"unknown_attempts_max", info.unknown_attempts_max},
              {"unknown_backoff_min_ms", info.unknown_backoff_min_ms},
              {"unknown_backoff_max_ms", info.unknown_backoff_max_ms},
              {"parked_keys_max", info.parked_keys_max},
              {"parked_records_max", info.parked_records_max},
              {"waiting_records_max", info.waiting_records_max},
              {"probe_interval_max_ms", info.probe_interval_max_ms},
              {"rate_per_s", info.rate_per_s},
              {"rate_burst", info.rate_burst},
              {"concurrency", info.concurrency},
              {"dead_letter", name_in(dead_letter_names, info.dead_letter)},
              {"expired", name_in(expired_names, info.expired)},
              {"paused", info.paused},
              {"draining", info.draining}};
    return json;
}

Json to_json(const delivery::SubscriptionStatus& status, const CatalogView& view) {
    const auto& total = status.total;
    auto json = to_json(*status.definition);
    json["drained_us"] = total.drained_us.value_or(0);
    json["circuit"] = name_of(total.circuit);
    json["reason"] = total.reason;
    add_counts(json, total);
    json["letters_by_cause"] = Json::object();
    for (const auto& [name, cause] : cause_names) {
        if (const auto count = total.letters_by_cause[static_cast<std::size_t>(cause)]; count > 0) {
            json["letters_by_cause"][std::string(name)] = count;
        }
    }
    json["circuit_changes"] = Json::array();
    for (const auto& [shard, change] : status.circuit_changes) {
        json["circuit_changes"].push_back(change_json(shard, change));
    }
    json["partitions"] = Json::array();
    for (const auto& partition : total.partitions) {
        json["partitions"].push_back(partition_json(partition, view));
    }
    return json;
}

Result<std::pair<StartAt, UnixMicros>> parse_start(std::string_view text) {
    if (text == "earliest") {
        return std::pair{StartAt::earliest, UnixMicros{0}};
    }
    if (text == "latest") {
        return std::pair{StartAt::latest, UnixMicros{0}};
    }
    if (const auto moment = parse_moment(text)) {
        return std::pair{StartAt::time, *moment};
    }
    return fail(Errc::invalid_argument,
                "\"start\" takes earliest, latest, a moment such as 2026-11-20T06:00:00Z, or "
                "milliseconds since 1970");
}

}  // namespace millrace::broker::http
