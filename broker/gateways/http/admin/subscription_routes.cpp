#include "broker/gateways/http/admin/subscription_routes.hpp"

#include "broker/delivery/delivery_shard.hpp"
#include "broker/gateways/http/admin/members.hpp"
#include "broker/gateways/http/admin/subscription_json.hpp"

namespace millrace::broker::http {
namespace {

using delivery::SubscriptionProgress;
using SubscriptionPtr = std::shared_ptr<const SubscriptionInfo>;
using ProgressOfAll = std::map<std::string, SubscriptionProgress>;

ProgressOfAll progress_of(const std::vector<SubscriptionPtr>& wanted, const ShardLink& link) {
    ProgressOfAll all;
    for (const auto& info : wanted) {
        if (auto progress = link.delivery->subscriptions().progress(info->name)) {
            all.emplace(info->name, std::move(progress).value());
        }
    }
    return all;
}

/// What each shard knows of one subscription.
std::vector<std::optional<SubscriptionProgress>> parts_of(
    const std::string& subscription, const std::vector<ProgressOfAll>& shards) {
    std::vector<std::optional<SubscriptionProgress>> parts;
    parts.reserve(shards.size());
    for (const auto& all : shards) {
        const auto found = all.find(subscription);
        parts.push_back(found == all.end() ? std::nullopt : std::optional(found->second));
    }
    return parts;
}

/// The subscriptions with what every shard knows of them.
void look_at(const ShardGate& gate,
             std::vector<SubscriptionPtr> wanted,
             std::function<void(Result<Json>)> done) {
    auto shared = std::make_shared<std::vector<SubscriptionPtr>>(std::move(wanted));
    gate.gather<ProgressOfAll>(
        [shared](const ShardLink& link) { return progress_of(*shared, link); },
        [shared, view = gate.catalog(), done = std::move(done)](
            const Result<std::vector<ProgressOfAll>>& shards) {
            if (!shards) {
                done(shards.error());
                return;
            }
            Json list = Json::array();
            for (const auto& info : *shared) {
                const auto parts = parts_of(info->name, shards.value());
                list.push_back(to_json(delivery::join_progress(info, parts), *view));
            }
            done(std::move(list));
        });
}

void list_subscriptions(const ShardGate& gate, const Call& call) {
    if (!gate.is_open()) {
        call.refuse(gate.closed());
        return;
    }
    std::vector<SubscriptionPtr> all;
    for (const auto& [name, info] : gate.catalog()->subscriptions) {
        all.push_back(info);
    }
    look_at(gate, std::move(all), [call](const Result<Json>& found) {
        found ? call.answer({{"subscriptions", found.value()}}) : call.refuse(found.error());
    });
}

void show_subscription(const ShardGate& gate, const Call& call) {
    if (!gate.is_open()) {
        call.refuse(gate.closed());
        return;
    }
    const auto& name = call.path_param("subscription");
    const auto found = gate.catalog()->subscriptions.find(name);
    if (found == gate.catalog()->subscriptions.end()) {
        call.refuse(
            fail(Errc::unknown_subscription, "subscription \"" + name + "\" does not exist"));
        return;
    }
    look_at(gate, {found->second}, [call](const Result<Json>& one) {
        one ? call.answer(one.value().front()) : call.refuse(one.error());
    });
}

std::function<void(Result<SubscriptionPtr>)> answer_subscription(const Call& call,
                                                                 unsigned status = 200) {
    return [call, status](const Result<SubscriptionPtr>& info) {
        info ? call.answer(to_json(*info.value()), status) : call.refuse(info.error());
    };
}

void create_subscription(const ShardGate& gate, const Call& call) {
    auto info = subscription_from(call.body);
    if (const auto checked = delivery::check_filter(info.filter); !checked) {
        call.refuse(checked.error());
        return;
    }
    const auto start = parse_start(call.body.value("start", "earliest"));
    if (!start) {
        call.refuse(start.error());
        return;
    }
    std::tie(info.start, info.start_time_us) = start.value();
    gate.ask<SubscriptionPtr>(
        catalog_shard,
        [info = std::move(info)](const ShardLink& link, const auto& done) {
            link.shard->catalog().create_subscription(info, IfExists::fail, done);
        },
        answer_subscription(call, status_created));
}

void alter_subscription(const ShardGate& gate, const Call& call) {
    auto change = subscription_alteration_from(call.path_param("subscription"), call.body);
    if (const auto checked = delivery::check_filter(change.filter.value_or("")); !checked) {
        call.refuse(checked.error());
        return;
    }
    gate.ask<SubscriptionPtr>(
        catalog_shard,
        [change = std::move(change)](const ShardLink& link, const auto& done) {
            link.shard->catalog().alter_subscription(change, done);
        },
        answer_subscription(call));
}

void remove_subscription(const ShardGate& gate, const Call& call) {
    gate.ask<void>(
        catalog_shard,
        [name = call.path_param("subscription")](const ShardLink& link, const auto& done) {
            link.shard->catalog().delete_subscription(name, done);
        },
        [call](const Result<void>& done) {
            done ? answer_done(call.respond) : call.refuse(done.error());
        });
}

/// Pause and drain: they differ in what becomes of what is in flight.
using Stop = void (CatalogService::*)(std::string, std::string, SubscriptionDone);

template <Stop stop>
void halt(const ShardGate& gate, const Call& call) {
    gate.ask<SubscriptionPtr>(
        catalog_shard,
        [name = call.path_param("subscription"), reason = call.body.value("reason", "")](
            const ShardLink& link, const auto& done) {
            (link.shard->catalog().*stop)(name, reason, done);
        },
        answer_subscription(call));
}

void resume(const ShardGate& gate, const Call& call) {
    gate.ask<SubscriptionPtr>(
        catalog_shard,
        [name = call.path_param("subscription")](const ShardLink& link, const auto& done) {
            link.shard->catalog().resume_subscription(name, done);
        },
        answer_subscription(call));
}

void seek(const ShardGate& gate, const Call& call) {
    const auto start = parse_start(call.body.at("start").get<std::string>());
    if (!start) {
        call.refuse(start.error());
        return;
    }
    gate.ask<SubscriptionPtr>(
        catalog_shard,
        [name = call.path_param("subscription"), start = start.value()](const ShardLink& link,
                                                                        const auto& done) {
            link.shard->catalog().seek_subscription(name, start.first, start.second, done);
        },
        answer_subscription(call));
}

Route action(std::string name, std::string_view summary, std::function<void(const Call&)> handle) {
    return {.method = Method::post,
            .pattern = "/v1/subscriptions/{subscription}/" + std::move(name),
            .summary = summary,
            .handle = std::move(handle)};
}

}  // namespace

Routes subscription_routes(const ShardGate& gate) {
    const auto at = [&gate](void (*handle)(const ShardGate&, const Call&)) {
        return [&gate, handle](const Call& call) { handle(gate, call); };
    };
    const BodyRule reason{.need = BodyNeed::optional,
                          .content_types = {"application/json"},
                          .fields = {{.name = "reason", .help = "Shown as long as it lasts."}}};
    Routes routes{{.pattern = "/v1/subscriptions",
                   .summary = "Queue subscriptions and how they stand.",
                   .handle = at(list_subscriptions)},
                  {.method = Method::post,
                   .pattern = "/v1/subscriptions",
                   .summary = "Makes a subscription.",
                   .handle = at(create_subscription),
                   .body = {.need = BodyNeed::required,
                            .content_types = {"application/json"},
                            .fields = subscription_fields()},
                   .success = status_created},
                  {.pattern = "/v1/subscriptions/{subscription}",
                   .summary = "One subscription and how it stands.",
                   .handle = at(show_subscription)},
                  {.method = Method::patch,
                   .pattern = "/v1/subscriptions/{subscription}",
                   .summary = "Alters a subscription.",
                   .handle = at(alter_subscription),
                   .body = {.need = BodyNeed::required,
                            .content_types = {"application/json"},
                            .fields = alterable_subscription_fields()}},
                  {.method = Method::del,
                   .pattern = "/v1/subscriptions/{subscription}",
                   .summary = "Deletes a subscription with its dead letters.",
                   .handle = at(remove_subscription),
                   .success = 204,
                   .success_type = ""}};
    routes.push_back(
        action("pause", "Nothing goes out.", at(halt<&CatalogService::pause_subscription>)));
    routes.back().body = reason;
    routes.push_back(action("drain",
                            "Nothing more goes out; what is in flight may be settled.",
                            at(halt<&CatalogService::drain_subscription>)));
    routes.back().body = reason;
    routes.push_back(action("resume", "Goes on after a pause or a drain.", at(resume)));
    routes.push_back(action("seek", "Begins again somewhere else.", at(seek)));
    routes.back().body = {
        .need = BodyNeed::required,
        .content_types = {"application/json"},
        .fields = {
            {.name = "start", .help = "earliest, latest, or a moment.", .is_required = true}}};
    return routes;
}

}  // namespace millrace::broker::http
