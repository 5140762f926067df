#include <algorithm>
#include <iterator>
#include <map>
#include <optional>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/delivery_shard.hpp"
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
    return info;
}

std::unique_ptr<wire::SubscriptionT> to_wire(const SubscriptionInfo& info) {
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
    return made;
}

void add(wire::SubscriptionStatusT& total, const SubscriptionProgress& part) {
    total.circuit = std::max(total.circuit, static_cast<wire::Circuit>(part.circuit));
    total.reason = total.reason.empty() ? part.reason : total.reason;
    total.consumers =
        std::max(total.consumers, part.consumers);  // a consumer is open on every shard
    total.in_flight += part.in_flight;
    total.waiting_retry += part.waiting_retry;
    total.parked_keys += part.parked_keys;
    total.parked_records += part.parked_records;
    total.lag_records += part.lag_records;
    total.lag_us = std::max(total.lag_us, part.lag_us);
    total.delivered += part.delivered;
    total.acked += part.acked;
    total.nacked += part.nacked;
    total.letters_open += part.letters_open;
    total.letters_by_cause.resize(delivery::cause_count);
    for (std::size_t cause = 0; cause < delivery::cause_count; ++cause) {
        total.letters_by_cause[cause] += part.letters_by_cause[cause];
    }
    for (const auto& partition : part.partitions) {
        auto one = std::make_unique<wire::SubscriptionPartitionT>();
        one->partition_id = partition.partition.value;
        one->floor = partition.floor.value;
        one->next_offset = partition.next.value;
        one->settled_above_floor = partition.settled_above_floor;
        total.partitions.push_back(std::move(one));
    }
}

std::unique_ptr<wire::SubscriptionStatusT> status_of(const SubscriptionInfo& info,
                                                     const std::vector<ProgressOfShard>& shards) {
    auto status = std::make_unique<wire::SubscriptionStatusT>();
    status->subscription = to_wire(info);
    status->paused = info.paused;
    for (const auto& part : shards) {
        if (part) {
            add(*status, *part);
        }
    }
    if (status->reason.empty() && status->consumers == 0) {
        status->reason = "no consumer is connected";
    }
    return status;
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

void create(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionCreateRequest>(request.table);
    if (!parsed || !parsed.value().subscription) {
        request.refuse(parsed ? fail(Errc::invalid_argument, "a subscription is missing")
                              : parsed.error());
        return;
    }
    const auto if_exists = parsed.value().if_exists_ok ? IfExists::accept : IfExists::fail;
    request.session->services().shard->catalog().create_subscription(
        from_wire(*parsed.value().subscription), if_exists, answer_subscription(request));
}

void remove(const Request& request) {
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

void list(const Request& request) {
    const auto view = request.session->services().shard->catalog().view();
    gather(
        request.session->table(),
        request.session->shard_id(),
        [view](const ShardServices& services) { return progress_of_all(services, *view); },
        [session = request.session, header = request.header, view](
            const std::vector<ProgressOfAll>& shards) {
            wire::SubscriptionListAnswerT answer;
            for (const auto& [name, info] : view->subscriptions) {
                answer.subscriptions.push_back(status_of(*info, parts_of(shards, name)));
            }
            session->answer(header, answer);
        });
}

void describe(const Request& request) {
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
            answer.status = status_of(*info, shards);
            session->answer(header, answer);
        });
}

void control(const Request& request) {
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
            return create(request);
        case wire::Api::subscription_delete:
            return remove(request);
        case wire::Api::subscription_list:
            return list(request);
        case wire::Api::subscription_describe:
            return describe(request);
        default:
            return control(request);
    }
}

}  // namespace millrace::broker::protocol
