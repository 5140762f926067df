#include "broker/node_shards.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <pthread.h>

#include "broker/part_options.hpp"
#include "broker/runtime/thread_turns.hpp"
#include "broker/runtime/uring_network.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker {

NodeShards::NodeShards(Wiring wiring) : wiring_(std::move(wiring)) {}

NodeShards::~NodeShards() {
    stop();
}

Result<void> NodeShards::make(ShardHost& host, ShardId id, const NodeIdentity& identity) {
    const auto& config = wiring_.config;
    MILLRACE_TRY(host.runtime,
                 UringRuntime::create({.shard = id, .connections_max = config.connections_max},
                                      wiring_.clock,
                                      wiring_.metrics,
                                      *mesh_));
    auto options = shard_options_of(config, id, identity);
    if (wiring_.nodes != nullptr) {
        host.replica = std::make_unique<cluster::Replica>(
            cluster::Replica::Options{
                .nodes = *wiring_.nodes,
                .shard = id,
                .shard_count = identity.shard_count,
                .election_timeout = std::chrono::milliseconds(config.cluster_election_timeout_ms),
                .copy_bytes_per_second = config.cluster_copy_bytes_per_second,
                .labels = wiring_.labels,
                .placement = placement_rules_of(config),
                .codec = wire::find_codec(config.cluster_compression).value()},
            *wiring_.record,
            *host.runtime,
            wiring_.metrics);
        options.cluster = host.replica->options();
        options.cluster->goes_on_alone = config.cluster_go_on_alone;
        options.store.is_replicated = true;
    }
    host.shard = make_shard(std::move(options), *host.runtime, wiring_.metrics, shard_table_);
    host.delivery =
        delivery::make_delivery_shard(*host.shard, delivery_table_, delivery_options_of(config));
    host.server =
        std::make_unique<protocol::Server>(services_, *host.shard, session_limits_of(config));
    host.shard->on_catalog([this, is_first = true](const CatalogPtr&) mutable {
        if (std::exchange(is_first, false)) {
            wiring_.on_ready();
        }
    });
    return ok();
}

void NodeShards::run(ShardHost& host, ShardId id, const NodeIdentity& identity) {
    (void)::pthread_setname_np(::pthread_self(), ("shard-" + std::to_string(id.value)).c_str());
    ask_for_short_turns();
    auto made = make(host, id, identity);
    const bool is_made = made.has_value();
    host.made.set_value(std::move(made));
    if (!is_made) {
        return;
    }
    all_made_future_.wait();
    auto opened = host.shard->open();
    const bool is_open = opened.has_value();
    host.opened.set_value(std::move(opened));
    if (is_open && may_serve_future_.get()) {
        host.runtime->run();
        if (const auto stopped = host.shard->stop(); !stopped) {
            log_error("shard " + std::to_string(id.value),
                      "did not stop cleanly: " + stopped.error().text);
        }
    }
    host.may_drop.get_future().wait();
    host.server.reset();
    host.delivery.reset();
    host.shard.reset();
    host.replica.reset();
    host.runtime.reset();
}

Result<void> NodeShards::start(const NodeIdentity& identity) {
    mesh_ = std::make_unique<ShardMesh>(identity.shard_count, wiring_.metrics);
    services_.version = wiring_.version;
    services_.refusal = wiring_.refusal;
    services_.cluster = wiring_.cluster;
    services_.started_steady_us =
        static_cast<std::uint64_t>(wiring_.clock.steady_now().time_since_epoch().count());
    // Ids must not come again after a restart: the time in microseconds is ahead of every id given
    // before.
    last_id_ = static_cast<std::uint64_t>(wiring_.clock.unix_now());
    services_.next_id = [this] { return ++last_id_; };
    for (ShardId id{0}; id.value < identity.shard_count; ++id) {
        hosts_.push_back(std::make_unique<ShardHost>());
        auto& host = *hosts_.back();
        host.thread = std::thread([this, &host, id, identity] { run(host, id, identity); });
    }
    Result<void> outcome = ok();
    for (const auto& host : hosts_) {
        if (auto made = host->made.get_future().get(); !made && outcome) {
            outcome = made;
        }
    }
    if (!outcome) {
        // Those that were made wait; they must be let go before the process can end.
        std::fprintf(stderr, "millraced: %s\n", outcome.error().text.c_str());
        std::_Exit(1);
    }
    for (const auto& host : hosts_) {
        shard_table_.shards.push_back(host->shard.get());
        delivery_table_.shards.push_back(host->delivery.get());
        services_.shards.push_back({.shard = host->shard.get(),
                                    .delivery = host->delivery.get(),
                                    .fetcher = &host->server->fetcher(),
                                    .sessions = &host->server->metrics()});
    }
    all_made_.set_value();
    for (ShardId id{0}; id.value < hosts_.size(); ++id) {
        if (auto opened = hosts_[id.value]->opened.get_future().get(); !opened && outcome) {
            outcome = opened;
            failed_ = id;
        }
    }
    may_serve_.set_value(outcome.has_value());
    return outcome;
}

Result<Endpoint> NodeShards::listen(Endpoint endpoint, bool is_first) {
    if (is_first) {
        MILLRACE_TRY(ensure_nobody_listens(endpoint));
    }
    for (const auto& host : hosts_) {
        std::promise<Result<Endpoint>> listening;
        host->runtime->post_from_outside([&listening, &endpoint, server = host->server.get()] {
            listening.set_value(server->listen(endpoint));
        });
        MILLRACE_TRY(endpoint, listening.get_future().get());
    }
    return endpoint;
}

Result<void> NodeShards::join(const peers::NodeAddresses& addresses) {
    for (const auto& host : hosts_) {
        std::promise<Result<void>> joined;
        const auto on_behind = [this, &shard = *host->shard](NodeId leader) {
            wiring_.on_behind(shard, leader);
        };
        host->runtime->post_from_outside([&joined, &addresses, &on_behind, &one = *host] {
            joined.set_value(one.replica->start(*one.shard, addresses, on_behind));
        });
        MILLRACE_TRY(joined.get_future().get());
    }
    return ok();
}

std::vector<cluster::ReplicaLink> NodeShards::replica_links() const {
    std::vector<cluster::ReplicaLink> links;
    for (const auto& host : hosts_) {
        links.push_back({.runtime = host->runtime.get(),
                         .shard = host->shard.get(),
                         .replica = host->replica.get()});
    }
    return links;
}

void NodeShards::stop() {
    for (const auto& host : hosts_) {
        if (host->thread.joinable() && host->runtime) {
            host->runtime->stop();
        }
    }
    for (const auto& host : hosts_) {
        if (host->thread.joinable()) {
            host->may_drop.set_value();
            host->thread.join();
        }
    }
}

}  // namespace millrace::broker
