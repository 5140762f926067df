#include <algorithm>

#include "broker/catalog/catalog_command.hpp"
#include "broker/catalog/catalog_json.hpp"
#include "broker/catalog/replay_topic.hpp"
#include "client/wire/topic_pattern.hpp"

// Subscriptions in the catalog: how a change is written, and what it does.

namespace millrace::broker {
namespace {

using Json = nlohmann::json;

Error unknown_subscription(const std::string& name) {
    return fail(Errc::unknown_subscription, "subscription \"" + name + "\" does not exist");
}

Result<void> check_numbers(const SubscriptionInfo& subscription) {
    const auto unknown_max_ms = subscription.unknown_backoff_max_ms > 0
                                    ? subscription.unknown_backoff_max_ms
                                    : subscription.backoff_max_ms;
    if (subscription.window == 0 || subscription.attempts_max == 0 ||
        subscription.ack_timeout_ms == 0 || subscription.probe_interval_max_ms == 0) {
        return fail(
            Errc::invalid_argument,
            "window, attempts_max, ack_timeout_ms and probe_interval_max_ms are at least 1");
    }
    if (subscription.backoff_min_ms > subscription.backoff_max_ms ||
        subscription.unknown_backoff_min_ms > unknown_max_ms) {
        return fail(Errc::invalid_argument,
                    "the shortest backoff is " + std::to_string(subscription.backoff_min_ms) +
                        " ms, for an unknown outcome " +
                        std::to_string(subscription.unknown_backoff_min_ms) +
                        " ms; neither may be above its longest");
    }
    if (subscription.rate_burst > 0 && subscription.rate_per_s == 0) {
        return fail(Errc::invalid_argument,
                    "rate_burst is " + std::to_string(subscription.rate_burst) +
                        ", and there is no rate_per_s to which it could belong");
    }
    return ok();
}

}  // namespace

Result<CatalogCommand> format_create_subscription(const SubscriptionInfo& definition,
                                                  IfExists if_exists,
                                                  UnixMicros now) {
    auto complete = definition;
    complete.created_us = now;
    return format_command({{"op", "create_subscription"},
                           {"name", definition.name},
                           {"if_exists_ok", if_exists == IfExists::accept},
                           {"subscription", to_json(complete)}});
}

Result<CatalogCommand> format_delete_subscription(const std::string& name) {
    return format_command({{"op", "delete_subscription"}, {"name", name}});
}

Result<CatalogCommand> format_change_subscription(const SubscriptionChange& change) {
    Json command{{"op", "change_subscription"}, {"name", change.name}};
    if (change.paused) {
        command["paused"] = *change.paused;
        command["draining"] = change.draining.value_or(false);
        command["pause_reason"] = change.pause_reason;
    }
    if (change.seek) {
        command["seek"] = static_cast<int>(*change.seek);
        command["seek_time_us"] = change.seek_time_us;
    }
    return format_command(command);
}

Result<CatalogCommand> format_alter_subscription(const SubscriptionAlteration& change) {
    Json set = Json::object();
    const auto add = [&set](const char* name, const auto& value) {
        set_if_given(set, name, value);
    };
    add("description", change.description);
    add("filter", change.filter);
    add("window", change.window);
    add("ack_timeout_ms", change.ack_timeout_ms);
    add("attempts_max", change.attempts_max);
    add("backoff_min_ms", change.backoff_min_ms);
    add("backoff_max_ms", change.backoff_max_ms);
    add("unknown_attempts_max", change.unknown_attempts_max);
    add("unknown_backoff_min_ms", change.unknown_backoff_min_ms);
    add("unknown_backoff_max_ms", change.unknown_backoff_max_ms);
    add("parked_keys_max", change.parked_keys_max);
    add("parked_records_max", change.parked_records_max);
    add("waiting_records_max", change.waiting_records_max);
    add("probe_interval_max_ms", change.probe_interval_max_ms);
    add("rate_per_s", change.rate_per_s);
    add("rate_burst", change.rate_burst);
    add("concurrency", change.concurrency);
    add("dead_letter", change.dead_letter);
    add("expired", change.expired);
    return format_command({{"op", "alter_subscription"}, {"name", change.name}, {"set", set}});
}

CatalogState::Outcome CatalogState::put_subscription(const Command& command,
                                                     SubscriptionInfo subscription) {
    command.rows.put(std::string(subscription_prefix) + subscription.name,
                     to_json(subscription).dump());
    auto stored = std::make_shared<const SubscriptionInfo>(std::move(subscription));
    subscriptions_[stored->name] = stored;
    return {.topic = nullptr, .subscription = stored};
}

Result<CatalogState::Outcome> CatalogState::create_subscription(const Command& command) {
    const auto name = command.name();
    if (const auto found = subscriptions_.find(name); found != subscriptions_.end()) {
        if (command.accepts_existing()) {
            return Outcome{.topic = nullptr, .subscription = found->second};
        }
        return fail(Errc::already_exists, "subscription \"" + name + "\" exists already");
    }
    MILLRACE_TRY(auto subscription, subscription_from_json(command.json.at("subscription")));
    if (!wire::is_topic_name(name)) {
        return fail(
            Errc::invalid_argument,
            "\"" + name +
                "\" is not a subscription name: lower-case words of letters, digits, '_' and '-'");
    }
    const auto bad = std::ranges::find_if_not(
        subscription.topics, [](const auto& pattern) { return wire::is_topic_pattern(pattern); });
    if (subscription.topics.empty() || bad != subscription.topics.end()) {
        return fail(Errc::invalid_argument,
                    subscription.topics.empty()
                        ? "a subscription needs at least one topic or pattern"
                        : "\"" + *bad + "\" is not a topic name or pattern");
    }
    MILLRACE_TRY(check_numbers(subscription));
    if (subscriptions_.size() >= limits_.subscriptions_max) {
        return limit_error("subscriptions_max", limits_.subscriptions_max);
    }
    subscription.id = counters_.next_subscription++;
    return put_subscription(command, std::move(subscription));
}

Result<CatalogState::Outcome> CatalogState::change_subscription(const Command& command) {
    const auto found = subscriptions_.find(command.name());
    if (found == subscriptions_.end()) {
        return unknown_subscription(command.name());
    }
    auto subscription = *found->second;
    if (command.json.contains("paused")) {
        subscription.paused = command.json.at("paused").get<bool>();
        subscription.draining = command.json.value("draining", false);
        const bool is_held = subscription.paused || subscription.draining;
        subscription.pause_reason = is_held ? command.json.value("pause_reason", "") : "";
    }
    if (command.json.contains("seek")) {
        subscription.start = static_cast<StartAt>(command.json.at("seek").get<std::uint8_t>());
        subscription.start_time_us = command.json.value("seek_time_us", UnixMicros{0});
        ++subscription.seek_epoch;
    }
    return put_subscription(command, std::move(subscription));
}

Result<CatalogState::Outcome> CatalogState::alter_subscription(const Command& command) {
    const auto found = subscriptions_.find(command.name());
    if (found == subscriptions_.end()) {
        return unknown_subscription(command.name());
    }
    auto merged = to_json(*found->second);
    merged.update(command.json.at("set"));
    MILLRACE_TRY(auto subscription, subscription_from_json(merged));
    MILLRACE_TRY(check_numbers(subscription));
    return put_subscription(command, std::move(subscription));
}

Result<CatalogState::Outcome> CatalogState::delete_subscription(const Command& command) {
    const auto found = subscriptions_.find(command.name());
    if (found == subscriptions_.end()) {
        return unknown_subscription(command.name());
    }
    erase_topic(command, replay_topic_of(found->first));
    command.rows.erase(std::string(subscription_prefix) + found->first);
    subscriptions_.erase(found);
    return Outcome{};
}

}  // namespace millrace::broker
