#include "broker/shard/shard_catalog.hpp"

#include <utility>

namespace millrace::broker {
namespace {

constexpr ShardId owner{0};

auto to_topic(TopicDone done) {
    return [done = std::move(done)](Result<CatalogState::Outcome> outcome) {
        if (!outcome) {
            done(outcome.error());
        } else {
            done(outcome.value().topic);
        }
    };
}

auto to_subscription(SubscriptionDone done) {
    return [done = std::move(done)](Result<CatalogState::Outcome> outcome) {
        if (!outcome) {
            done(outcome.error());
        } else {
            done(outcome.value().subscription);
        }
    };
}

auto to_nothing(CatalogDone done) {
    return [done = std::move(done)](Result<CatalogState::Outcome> outcome) {
        if (!outcome) {
            done(outcome.error());
        } else {
            done(ok());
        }
    };
}

}  // namespace

ShardCatalog::ShardCatalog(Wiring wiring, CatalogLimits limits)
    : wiring_(std::move(wiring)), state_(limits) {}

CatalogState::Rows ShardCatalog::rows() {
    return {.put = [this](std::string_view key,
                          std::string_view value) { wiring_.store->put_state(key, value); },
            .erase = [this](std::string_view key) { wiring_.store->erase_state(key); }};
}

Result<void> ShardCatalog::restore() {
    state_.clear();
    Result<void> outcome = ok();
    MILLRACE_TRY(wiring_.store->visit_state(
        CatalogState::key_prefix, "", [&](std::string_view key, std::string_view value) {
            outcome = state_.load(key, value);
            return outcome.has_value();
        }));
    return outcome;
}

void ShardCatalog::apply(const consensus::Entry& entry) {
    const std::string_view command(reinterpret_cast<const char*>(entry.payload.data()),
                                   entry.payload.size());
    last_outcome_ = state_.apply(command, rows());
    has_changed_ = true;
}

void ShardCatalog::follow() {
    if (wiring_.shard == owner && std::exchange(has_changed_, false)) {
        spread(state_.make_view(), [] {});
    }
}

void ShardCatalog::publish_first_view() {
    wiring_.runtime.post([this] { spread(state_.make_view(), [] {}); });
}

void ShardCatalog::set_view(const CatalogPtr& view) {
    view_ = view;
    wiring_.on_view(view);
}

void ShardCatalog::spread(const CatalogPtr& view, std::function<void()> done) {
    set_view(view);
    auto left = std::make_shared<std::uint32_t>(wiring_.shard_count - 1);
    if (*left == 0) {
        done();
        return;
    }
    const auto end_one = [left, done = std::move(done)] {
        if (--*left == 0) {
            done();
        }
    };
    for (ShardId shard{1}; shard.value < wiring_.shard_count; ++shard) {
        wiring_.runtime.post_to(shard, [this, shard, view, end_one] {
            auto& peer = *wiring_.peer(shard);
            peer.set_view(view);
            peer.wiring_.runtime.post_to(owner, end_one);
        });
    }
}

void ShardCatalog::change_on_owner(ShardId origin, CatalogCommand command, OutcomeDone done) {
    auto shared_done = std::make_shared<OutcomeDone>(std::move(done));
    const auto answer = [this, origin, shared_done](const Result<Outcome>& outcome) {
        wiring_.runtime.post_to(origin, [shared_done, outcome] { (*shared_done)(outcome); });
    };
    wiring_.propose(std::move(command), [this, answer](const Result<RaftIndex>& applied) {
        if (!applied) {
            answer(applied.error());
            return;
        }
        // Runs right behind `apply`, so the last outcome is this command's.
        if (!last_outcome_) {
            answer(last_outcome_);
            return;
        }
        spread(state_.make_view(), [answer, outcome = last_outcome_] { answer(outcome); });
    });
}

void ShardCatalog::change(Result<CatalogCommand> formatted, OutcomeDone done) {
    if (!formatted) {
        done(formatted.error());
        return;
    }
    auto command = std::move(formatted).value();
    const auto origin = wiring_.shard;
    wiring_.runtime.post_to(
        owner, [this, origin, command = std::move(command), done = std::move(done)]() mutable {
            wiring_.peer(owner)->change_on_owner(origin, std::move(command), std::move(done));
        });
}

void ShardCatalog::create_topic(TopicSpec spec, IfExists if_exists, TopicDone done) {
    change(format_create_topic(spec, if_exists, wiring_.runtime.clock().unix_now()),
           to_topic(std::move(done)));
}

void ShardCatalog::alter_topic(TopicAlteration change_wanted, TopicDone done) {
    change(format_alter_topic(change_wanted), to_topic(std::move(done)));
}

void ShardCatalog::delete_topic(std::string name, CatalogDone done) {
    change(format_delete_topic(name), to_nothing(std::move(done)));
}

void ShardCatalog::create_subscription(SubscriptionInfo definition,
                                       IfExists if_exists,
                                       SubscriptionDone done) {
    change(format_create_subscription(definition, if_exists, wiring_.runtime.clock().unix_now()),
           to_subscription(std::move(done)));
}

void ShardCatalog::delete_subscription(std::string name, CatalogDone done) {
    change(format_delete_subscription(name), to_nothing(std::move(done)));
}

void ShardCatalog::pause_subscription(std::string name, std::string reason, SubscriptionDone done) {
    change(format_change_subscription({.name = std::move(name),
                                       .paused = true,
                                       .draining = false,
                                       .pause_reason = std::move(reason),
                                       .seek = std::nullopt}),
           to_subscription(std::move(done)));
}

void ShardCatalog::resume_subscription(std::string name, SubscriptionDone done) {
    change(format_change_subscription({.name = std::move(name),
                                       .paused = false,
                                       .draining = false,
                                       .pause_reason = {},
                                       .seek = std::nullopt}),
           to_subscription(std::move(done)));
}

void ShardCatalog::drain_subscription(std::string name, std::string reason, SubscriptionDone done) {
    change(format_change_subscription({.name = std::move(name),
                                       .paused = false,
                                       .draining = true,
                                       .pause_reason = std::move(reason),
                                       .seek = std::nullopt}),
           to_subscription(std::move(done)));
}

void ShardCatalog::alter_subscription(SubscriptionAlteration change_wanted, SubscriptionDone done) {
    change(format_alter_subscription(change_wanted), to_subscription(std::move(done)));
}

void ShardCatalog::seek_subscription(std::string name,
                                     StartAt start,
                                     UnixMicros time_us,
                                     SubscriptionDone done) {
    // The end is where it is now, not where it will be when a shard looks.
    const auto time = start == StartAt::latest ? wiring_.runtime.clock().unix_now() : time_us;
    change(format_change_subscription({.name = std::move(name),
                                       .paused = std::nullopt,
                                       .draining = std::nullopt,
                                       .pause_reason = {},
                                       .seek = start,
                                       .seek_time_us = time}),
           to_subscription(std::move(done)));
}

void ShardCatalog::set_node_duty(NodeId node, NodeDuty duty, CatalogDone done) {
    change(format_node_duty(node, duty), to_nothing(std::move(done)));
}

}  // namespace millrace::broker
