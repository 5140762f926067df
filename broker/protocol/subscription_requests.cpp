#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/subscription_status.hpp"
#include "broker/delivery/subscriptions.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::broker::protocol {
namespace {

using delivery::SubscriptionProgress;
using ProgressOfShard = std::optional<SubscriptionProgress>;

SubscriptionInfo from_wire(const wire::SubscriptionT& subscription) {
    SubscriptionInfo info;
    info.name = subscription.name;
    info.topics = subscription.topics;
    info.order = static_cast<Order>(subscription.order);
    info.start = static_cast<StartAt>(subscription.start);
    info.start_time_us = subscription.start_time_us;
    info.window = subscription.window;
    info.ack_timeout_ms = subscription.ack_timeout_ms;
    info.attempts_max = subscription.attempts_max;
    info.backoff_min_ms = subscription.backoff_min_ms;
    info.backoff_max_ms = subscription.backoff_max_ms;
    info.parked_keys_max = subscription.parked_keys_max;
    info.parked_records_max = subscription.parked_records_max;
    info.description = subscription.description;
    info.filter = subscription.filter;
    info.unknown_attempts_max = subscription.unknown_attempts_max;
    info.unknown_backoff_min_ms = subscription.unknown_backoff_min_ms;
    info.unknown_backoff_max_ms = subscription.unknown_backoff_max_ms;
    info.dead_letter = static_cast<DeadLetterRule>(subscription.dead_letter);
    info.expired = static_cast<ExpiredRule>(subscription.expired);
    info.rate_per_s = subscription.rate_per_s;
    info.rate_burst = subscription.rate_burst;
    info.concurrency = subscription.concurrency;
    info.waiting_records_max = subscription.waiting_records_max;
    info.probe_interval_max_ms = subscription.probe_interval_max_ms;
    return info;
}

std::unique_ptr<wire::SubscriptionT> definition_to_wire(const SubscriptionInfo& info) {
    auto made = std::make_unique<wire::SubscriptionT>();
    made->name = info.name;
    made->topics = info.topics;
    made->order = static_cast<wire::Order>(info.order);
    made->start = static_cast<wire::Start>(info.start);
    made->start_time_us = info.start_time_us;
    made->window = info.window;
    made->ack_timeout_ms = info.ack_timeout_ms;
    made->attempts_max = info.attempts_max;
    made->backoff_min_ms = info.backoff_min_ms;
    made->backoff_max_ms = info.backoff_max_ms;
    made->parked_keys_max = info.parked_keys_max;
    made->parked_records_max = info.parked_records_max;
    made->description = info.description;
    made->filter = info.filter;
    made->unknown_attempts_max = info.unknown_attempts_max;
    made->unknown_backoff_min_ms = info.unknown_backoff_min_ms;
    made->unknown_backoff_max_ms = info.unknown_backoff_max_ms;
    made->dead_letter = static_cast<wire::DeadLetterRule>(info.dead_letter);
    made->expired = static_cast<wire::ExpiredRule>(info.expired);
    made->rate_per_s = info.rate_per_s;
    made->rate_burst = info.rate_burst;
    made->concurrency = info.concurrency;
    made->waiting_records_max = info.waiting_records_max;
    made->probe_interval_max_ms = info.probe_interval_max_ms;
    return made;
}

void add_changes(wire::SubscriptionStatusT& made, const delivery::SubscriptionStatus& status) {
    for (const auto& [shard, change] : status.circuit_changes) {
        auto one = std::make_unique<wire::CircuitChangeT>();
        one->time_us = change.time_us;
        one->from = static_cast<wire::Circuit>(change.from);
        one->to = static_cast<wire::Circuit>(change.to);
        one->cause = static_cast<wire::Cause>(change.cause);
        one->reason = change.reason;
        one->shard = shard.value;
        made.circuit_changes.push_back(std::move(one));
    }
}

void add_partitions(wire::SubscriptionStatusT& made, const SubscriptionProgress& total) {
    for (const auto& partition : total.partitions) {
        auto one = std::make_unique<wire::SubscriptionPartitionT>();
        one->partition_id = partition.partition.value;
        one->floor = partition.floor.value;
        one->next_offset = partition.next.value;
        one->settled_above_floor = partition.settled_above_floor;
        made.partitions.push_back(std::move(one));
    }
}

std::unique_ptr<wire::SubscriptionStatusT> status_to_wire(
    const delivery::SubscriptionStatus& status) {
    const auto& total = status.total;
    auto made = std::make_unique<wire::SubscriptionStatusT>();
    made->subscription = definition_to_wire(*status.definition);
    made->paused = status.definition->paused;
    made->draining = status.definition->draining;
    made->drained_us = total.drained_us.value_or(0);
    made->circuit = static_cast<wire::Circuit>(total.circuit);
    made->reason = total.reason;
    made->consumers = total.consumers;
    made->in_flight = total.in_flight;
    made->waiting_retry = total.waiting_retry;
    made->parked_keys = total.parked_keys;
    made->parked_records = total.parked_records;
    made->lag_records = total.lag_records;
    made->lag_us = total.lag_us;
    made->delivered = total.delivered;
    made->acked = total.acked;
    made->nacked = total.nacked;
    made->letters_open = total.letters_open;
    made->waiting_delay = total.waiting_delay;
    made->next_retry_us = total.next_retry_us;
    made->next_delay_us = total.next_delay_us;
    made->filtered = total.filtered;
    made->filter_failed = total.filter_failed;
    made->expired = total.expired;
    made->dropped = total.dropped;
    made->oldest_letter_us = total.oldest_letter_us;
    made->letters_by_cause.assign(total.letters_by_cause.begin(), total.letters_by_cause.end());
    add_partitions(*made, total);
    add_changes(*made, status);
    return made;
}

std::unique_ptr<wire::SubscriptionStatusT> status_of(
    const std::shared_ptr<const SubscriptionInfo>& info,
    const std::vector<ProgressOfShard>& shards) {
    return status_to_wire(delivery::join_progress(info, shards));
}

ProgressOfShard progress_on(const ShardServices& services, const std::string& name) {
    auto progress = services.delivery->subscriptions().progress(name);
    return progress ? std::optional(std::move(progress).value()) : std::nullopt;
}

SubscriptionDone answer_subscription(const Request& request) {
    return [session = request.session,
            header = request.header](const Result<std::shared_ptr<const SubscriptionInfo>>& done) {
        if (!done) {
            session->refuse(header, done.error());
        } else {
            session->answer(header, wire::DoneT{});
        }
    };
}

void create_subscription(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionCreateRequest>(request.table);
    if (!parsed || !parsed.value().subscription) {
        request.refuse(parsed ? fail(Errc::invalid_argument, "a subscription is missing")
                              : parsed.error());
        return;
    }
    if (const auto checked = delivery::check_filter(parsed.value().subscription->filter);
        !checked) {
        request.refuse(checked.error());
        return;
    }
    const auto if_exists = parsed.value().if_exists_ok ? IfExists::accept : IfExists::fail;
    request.session->services().shard->catalog().create_subscription(
        from_wire(*parsed.value().subscription), if_exists, answer_subscription(request));
}

SubscriptionAlteration alteration_of(const wire::SubscriptionAlterRequestT& message) {
    const auto given = [](const auto& field) {
        return field ? std::optional(*field) : std::nullopt;
    };
    SubscriptionAlteration change;
    change.name = message.name;
    if (message.has_description) {
        change.description = message.description;
    }
    if (message.has_filter) {
        change.filter = message.filter;
    }
    change.window = given(message.window);
    change.ack_timeout_ms = given(message.ack_timeout_ms);
    change.attempts_max = given(message.attempts_max);
    change.backoff_min_ms = given(message.backoff_min_ms);
    change.backoff_max_ms = given(message.backoff_max_ms);
    change.unknown_attempts_max = given(message.unknown_attempts_max);
    change.unknown_backoff_min_ms = given(message.unknown_backoff_min_ms);
    change.unknown_backoff_max_ms = given(message.unknown_backoff_max_ms);
    change.parked_keys_max = given(message.parked_keys_max);
    change.parked_records_max = given(message.parked_records_max);
    change.waiting_records_max = given(message.waiting_records_max);
    change.probe_interval_max_ms = given(message.probe_interval_max_ms);
    change.rate_per_s = given(message.rate_per_s);
    change.rate_burst = given(message.rate_burst);
    change.concurrency = given(message.concurrency);
    if (message.dead_letter) {
        change.dead_letter = static_cast<DeadLetterRule>(*message.dead_letter);
    }
    if (message.expired) {
        change.expired = static_cast<ExpiredRule>(*message.expired);
    }
    return change;
}

void alter_subscription(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionAlterRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    auto change = alteration_of(parsed.value());
    if (const auto checked = delivery::check_filter(change.filter.value_or("")); !checked) {
        request.refuse(checked.error());
        return;
    }
    request.session->services().shard->catalog().alter_subscription(std::move(change),
                                                                    answer_subscription(request));
}

void remove_subscription(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionDeleteRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    request.session->services().shard->catalog().delete_subscription(
        parsed.value().name,
        [session = request.session, header = request.header](const Result<void>& done) {
            if (!done) {
                session->refuse(header, done.error());
            } else {
                session->answer(header, wire::DoneT{});
            }
        });
}

using ProgressOfAll = std::map<std::string, SubscriptionProgress>;

ProgressOfAll progress_of_all(const ShardServices& services, const CatalogView& view) {
    ProgressOfAll all;
    for (const auto& [name, info] : view.subscriptions) {
        if (auto progress = progress_on(services, name)) {
            all.emplace(name, std::move(*progress));
        }
    }
    return all;
}

std::vector<ProgressOfShard> parts_of(const std::vector<ProgressOfAll>& shards,
                                      const std::string& name) {
    std::vector<ProgressOfShard> parts;
    std::ranges::transform(shards, std::back_inserter(parts), [&name](const ProgressOfAll& all) {
        const auto found = all.find(name);
        return found == all.end() ? std::nullopt : ProgressOfShard(found->second);
    });
    return parts;
}

void list_subscriptions(const Request& request) {
    const auto view = request.session->services().shard->catalog().view();
    gather(
        request.session->table(),
        request.session->shard_id(),
        [view](const ShardServices& services) { return progress_of_all(services, *view); },
        [session = request.session, header = request.header, view](
            const std::vector<ProgressOfAll>& shards) {
            wire::SubscriptionListAnswerT answer;
            for (const auto& [name, info] : view->subscriptions) {
                answer.subscriptions.push_back(status_of(info, parts_of(shards, name)));
            }
            session->answer(header, answer);
        });
}

void describe_subscription(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionDescribeRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto view = request.session->services().shard->catalog().view();
    const auto found = view->subscriptions.find(parsed.value().name);
    if (found == view->subscriptions.end()) {
        request.refuse(fail(Errc::unknown_subscription,
                            "subscription \"" + parsed.value().name + "\" does not exist"));
        return;
    }
    gather(
        request.session->table(),
        request.session->shard_id(),
        [name = parsed.value().name](const ShardServices& services) {
            return progress_on(services, name);
        },
        [session = request.session, header = request.header, info = found->second](
            const std::vector<ProgressOfShard>& shards) {
            wire::SubscriptionDescribeAnswerT answer;
            answer.status = status_of(info, shards);
            session->answer(header, answer);
        });
}

void control_subscription(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionControlRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    auto& catalog = request.session->services().shard->catalog();
    const auto& message = parsed.value();
    switch (message.action) {
        case wire::SubscriptionAction::pause:
            return catalog.pause_subscription(
                message.name, message.reason, answer_subscription(request));
        case wire::SubscriptionAction::drain:
            return catalog.drain_subscription(
                message.name, message.reason, answer_subscription(request));
        case wire::SubscriptionAction::resume:
            return catalog.resume_subscription(message.name, answer_subscription(request));
        case wire::SubscriptionAction::seek:
            return catalog.seek_subscription(message.name,
                                             static_cast<StartAt>(message.start),
                                             message.start_time_us,
                                             answer_subscription(request));
    }
    request.refuse(fail(Errc::invalid_argument, "unknown action"));
}

}  // namespace

void handle_subscription_admin(const Request& request) {
    switch (static_cast<wire::Api>(request.header.api)) {
        case wire::Api::subscription_create:
            return create_subscription(request);
        case wire::Api::subscription_delete:
            return remove_subscription(request);
        case wire::Api::subscription_list:
            return list_subscriptions(request);
        case wire::Api::subscription_describe:
            return describe_subscription(request);
        case wire::Api::subscription_alter:
            return alter_subscription(request);
        default:
            return control_subscription(request);
    }
}

}  // namespace millrace::broker::protocol
