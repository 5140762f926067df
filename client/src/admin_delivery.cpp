#include "client/src/admin_impl.hpp"
#include "client/wire/schema/subscriptions_generated.h"
#include "millrace/admin.hpp"

namespace millrace {
namespace {

using wire::Api;

std::uint32_t milliseconds_of(std::chrono::milliseconds duration) {
    return static_cast<std::uint32_t>(duration.count());
}

std::unique_ptr<wire::SubscriptionT> to_wire(const SubscriptionDefinition& definition) {
    auto made = std::make_unique<wire::SubscriptionT>();
    made->name = definition.name;
    made->topics = definition.topics;
    made->order = static_cast<wire::Order>(definition.order);
    made->start = static_cast<wire::Start>(definition.start.at);
    made->start_time_us = definition.start.time_us;
    made->window = definition.window;
    made->ack_timeout_ms = milliseconds_of(definition.ack_timeout);
    made->attempts_max = definition.attempts_max;
    made->backoff_min_ms = milliseconds_of(definition.backoff_min);
    made->backoff_max_ms = milliseconds_of(definition.backoff_max);
    made->parked_keys_max = definition.parked_keys_max;
    made->parked_records_max = definition.parked_records_max;
    made->description = definition.description;
    made->filter = definition.filter;
    made->unknown_attempts_max = definition.unknown_attempts_max;
    made->unknown_backoff_min_ms = milliseconds_of(definition.unknown_backoff_min);
    made->unknown_backoff_max_ms = milliseconds_of(definition.unknown_backoff_max);
    made->dead_letter = static_cast<wire::DeadLetterRule>(definition.dead_letter);
    made->expired = static_cast<wire::ExpiredRule>(definition.expired);
    made->rate_per_s = definition.rate_per_s;
    made->rate_burst = definition.rate_burst;
    made->concurrency = definition.concurrency;
    made->waiting_records_max = definition.waiting_records_max;
    made->probe_interval_max_ms = milliseconds_of(definition.probe_interval_max);
    return made;
}

SubscriptionDefinition from_wire(const wire::SubscriptionT& subscription) {
    return {.name = subscription.name,
            .topics = subscription.topics,
            .order = static_cast<Order>(subscription.order),
            .start = {.at = static_cast<StartAt>(subscription.start),
                      .time_us = subscription.start_time_us},
            .window = subscription.window,
            .ack_timeout = std::chrono::milliseconds(subscription.ack_timeout_ms),
            .attempts_max = subscription.attempts_max,
            .backoff_min = std::chrono::milliseconds(subscription.backoff_min_ms),
            .backoff_max = std::chrono::milliseconds(subscription.backoff_max_ms),
            .parked_keys_max = subscription.parked_keys_max,
            .parked_records_max = subscription.parked_records_max,
            .description = subscription.description,
            .filter = subscription.filter,
            .unknown_attempts_max = subscription.unknown_attempts_max,
            .unknown_backoff_min = std::chrono::milliseconds(subscription.unknown_backoff_min_ms),
            .unknown_backoff_max = std::chrono::milliseconds(subscription.unknown_backoff_max_ms),
            .dead_letter = static_cast<DeadLetterRule>(subscription.dead_letter),
            .expired = static_cast<ExpiredRule>(subscription.expired),
            .rate_per_s = subscription.rate_per_s,
            .rate_burst = subscription.rate_burst,
            .concurrency = subscription.concurrency,
            .waiting_records_max = subscription.waiting_records_max,
            .probe_interval_max = std::chrono::milliseconds(subscription.probe_interval_max_ms)};
}

SubscriptionStatus from_wire(const wire::SubscriptionStatusT& status,
                             const client::PartitionNames& names) {
    SubscriptionStatus made{
        .definition = from_wire(client::require(status.subscription, "definition")),
        .paused = status.paused,
        .circuit = static_cast<Circuit>(status.circuit),
        .reason = status.reason,
        .consumers = status.consumers,
        .in_flight = status.in_flight,
        .waiting_retry = status.waiting_retry,
        .parked_keys = status.parked_keys,
        .parked_records = status.parked_records,
        .lag_records = status.lag_records,
        .lag_us = status.lag_us,
        .delivered = status.delivered,
        .acked = status.acked,
        .nacked = status.nacked,
        .letters_open = status.letters_open,
        .letters_by_cause = {},
        .partitions = {},
        .draining = status.draining,
        .drained_us = status.drained_us,
        .waiting_delay = status.waiting_delay,
        .next_retry_us = status.next_retry_us,
        .next_delay_us = status.next_delay_us,
        .filtered = status.filtered,
        .filter_failed = status.filter_failed,
        .expired = status.expired,
        .dropped = status.dropped,
        .oldest_letter_us = status.oldest_letter_us,
        .circuit_changes = {}};
    for (const auto& change : status.circuit_changes) {
        made.circuit_changes.push_back({.time_us = change->time_us,
                                        .from = static_cast<Circuit>(change->from),
                                        .to = static_cast<Circuit>(change->to),
                                        .cause = static_cast<Cause>(change->cause),
                                        .reason = change->reason,
                                        .shard = change->shard});
    }
    for (std::size_t cause = 0; cause < status.letters_by_cause.size(); ++cause) {
        if (const auto count = status.letters_by_cause[cause]; count > 0) {
            made.letters_by_cause.emplace_back(static_cast<Cause>(cause), count);
        }
    }
    for (const auto& partition : status.partitions) {
        if (const auto found = names.find(partition->partition_id); found != names.end()) {
            made.partitions.push_back({.topic = found->second.topic,
                                       .partition = found->second.index,
                                       .floor = partition->floor,
                                       .next_offset = partition->next_offset,
                                       .settled_above_floor = partition->settled_above_floor});
        }
    }
    return made;
}

template <class Value>
std::optional<std::uint32_t> milliseconds_of(const std::optional<Value>& duration) {
    return duration ? std::optional(milliseconds_of(*duration)) : std::nullopt;
}

wire::SubscriptionAlterRequestT alter_request(const std::string& name,
                                              const SubscriptionChange& change) {
    const auto set = [](auto& field, const auto& value) {
        if (value) {
            field = *value;
        }
    };
    wire::SubscriptionAlterRequestT request;
    request.name = name;
    request.has_description = change.description.has_value();
    request.description = change.description.value_or("");
    request.has_filter = change.filter.has_value();
    request.filter = change.filter.value_or("");
    set(request.window, change.window);
    set(request.attempts_max, change.attempts_max);
    set(request.unknown_attempts_max, change.unknown_attempts_max);
    set(request.parked_keys_max, change.parked_keys_max);
    set(request.parked_records_max, change.parked_records_max);
    set(request.waiting_records_max, change.waiting_records_max);
    set(request.rate_per_s, change.rate_per_s);
    set(request.rate_burst, change.rate_burst);
    set(request.concurrency, change.concurrency);
    set(request.ack_timeout_ms, milliseconds_of(change.ack_timeout));
    set(request.backoff_min_ms, milliseconds_of(change.backoff_min));
    set(request.backoff_max_ms, milliseconds_of(change.backoff_max));
    set(request.unknown_backoff_min_ms, milliseconds_of(change.unknown_backoff_min));
    set(request.unknown_backoff_max_ms, milliseconds_of(change.unknown_backoff_max));
    set(request.probe_interval_max_ms, milliseconds_of(change.probe_interval_max));
    if (change.dead_letter) {
        request.dead_letter = static_cast<wire::DeadLetterRule>(*change.dead_letter);
    }
    if (change.expired) {
        request.expired = static_cast<wire::ExpiredRule>(*change.expired);
    }
    return request;
}

wire::SubscriptionControlRequestT control_request(const std::string& name,
                                                  wire::SubscriptionAction action) {
    wire::SubscriptionControlRequestT request;
    request.name = name;
    request.action = action;
    return request;
}

}  // namespace

void Admin::create_subscription(const SubscriptionDefinition& definition) {
    wire::SubscriptionCreateRequestT request;
    request.subscription = to_wire(definition);
    (void)impl_->core->call<wire::Done>(Api::subscription_create, std::move(request));
}

void Admin::ensure_subscription(const SubscriptionDefinition& definition) {
    wire::SubscriptionCreateRequestT request;
    request.subscription = to_wire(definition);
    request.if_exists_ok = true;
    (void)impl_->core->call_again<wire::Done>(Api::subscription_create, request);
}

void Admin::delete_subscription(const std::string& name) {
    wire::SubscriptionDeleteRequestT request;
    request.name = name;
    (void)impl_->core->call<wire::Done>(Api::subscription_delete, std::move(request));
}

std::vector<SubscriptionStatus> Admin::list_subscriptions() {
    const auto answer = impl_->core->call_again<wire::SubscriptionListAnswer>(
        Api::subscription_list, wire::SubscriptionListRequestT{});
    const auto names = impl_->partition_names();
    std::vector<SubscriptionStatus> all;
    for (const auto& status : answer.subscriptions) {
        all.push_back(from_wire(*status, names));
    }
    return all;
}

SubscriptionStatus Admin::describe_subscription(const std::string& name) {
    wire::SubscriptionDescribeRequestT request;
    request.name = name;
    const auto answer = impl_->core->call_again<wire::SubscriptionDescribeAnswer>(
        Api::subscription_describe, request);
    return from_wire(client::require(answer.status, "subscription"), impl_->partition_names());
}

void Admin::pause_subscription(const std::string& name, const std::string& reason) {
    auto request = control_request(name, wire::SubscriptionAction::pause);
    request.reason = reason;
    (void)impl_->core->call_again<wire::Done>(Api::subscription_control, request);
}

void Admin::drain_subscription(const std::string& name, const std::string& reason) {
    auto request = control_request(name, wire::SubscriptionAction::drain);
    request.reason = reason;
    (void)impl_->core->call_again<wire::Done>(Api::subscription_control, request);
}

void Admin::alter_subscription(const std::string& name, const SubscriptionChange& change) {
    (void)impl_->core->call_again<wire::Done>(Api::subscription_alter, alter_request(name, change));
}

void Admin::resume_subscription(const std::string& name) {
    (void)impl_->core->call_again<wire::Done>(
        Api::subscription_control, control_request(name, wire::SubscriptionAction::resume));
}

void Admin::seek_subscription(const std::string& name, StartPosition to) {
    auto request = control_request(name, wire::SubscriptionAction::seek);
    request.start = static_cast<wire::Start>(to.at);
    request.start_time_us = to.time_us;
    (void)impl_->core->call<wire::Done>(Api::subscription_control, std::move(request));
}

}  // namespace millrace
