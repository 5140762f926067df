#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/cluster/cluster_report.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {
class DeliveryShard;
class Fetcher;
}  // namespace millrace::broker::delivery

namespace millrace::broker::protocol {

struct SessionMetrics;

/// What a request may need of one shard; used only on that shard's thread.
struct ShardServices {
    Shard* shard = nullptr;
    delivery::DeliveryShard* delivery = nullptr;
    delivery::Fetcher* fetcher = nullptr;
    const SessionMetrics* sessions = nullptr;
};

/// The cluster of a node; any thread. What is asked is answered on another one, or never where the
/// node ends before.
struct ClusterDoor {
    std::function<void(std::function<void(cluster::ClusterReport)>)> report;
    using Done = std::function<void(Result<void>)>;
    std::function<void(NodeId to, Done)> transfer;
    std::function<void(NodeId node, std::string address, Done)> join;
    std::function<void(NodeId node, Done)> remove;
    std::function<void(NodeId node, bool drained, Done)> drain;
    /// Where clients of the nodes connect, the leader's first; at once. May be empty.
    std::function<std::vector<std::string>()> natives;
};

/// All shards of a node, complete before any runtime runs.
struct ServiceTable {
    std::vector<ShardServices> shards;
    std::string version;
    std::uint64_t started_steady_us = 0;
    std::function<std::uint64_t()> next_id;  ///< unique in the node; any thread
    /// Why no client is taken now, as in a node that follows another; any thread. May be empty.
    std::function<std::optional<Error>()> refusal;
    ClusterDoor cluster;

    [[nodiscard]] std::uint32_t shard_count() const {
        return static_cast<std::uint32_t>(shards.size());
    }
};

/// Runs `work` on shard `there` and `then` with what it gave back here. Both run later, on their
/// shards' threads.
template <class Work, class Then>
void call_on(const ServiceTable& table, ShardId here, ShardId there, Work work, Then then) {
    auto& runtime = table.shards[here.value].shard->runtime();
    runtime.post_to(
        there, [&table, here, there, work = std::move(work), then = std::move(then)]() mutable {
            auto result = std::make_shared<decltype(work(table.shards[there.value]))>(
                work(table.shards[there.value]));
            table.shards[there.value].shard->runtime().post_to(
                here, [result, then = std::move(then)]() mutable { then(std::move(*result)); });
        });
}

/// Runs `start` on `there`, which calls what it is given there, once, now or later; `then` gets
/// that result here.
template <class Result, class Start, class Then>
void start_on(const ServiceTable& table, ShardId here, ShardId there, Start start, Then then) {
    const auto& services = table.shards[there.value];
    auto done = [&services, here, then = std::move(then)](Result result) {
        services.shard->runtime().post_to(
            here, [then, result = std::move(result)]() mutable { then(std::move(result)); });
    };
    table.shards[here.value].shard->runtime().post_to(
        there,
        [&services, start = std::move(start), done = std::move(done)] { start(services, done); });
}

/// Runs `work` on every shard and `then`, once, with all results in order of shards.
template <class Work, class Then>
void gather(const ServiceTable& table, ShardId here, Work work, Then then) {
    using Result = decltype(work(table.shards[0]));
    struct State {
        std::vector<Result> results;
        std::size_t left = 0;
        Then then;
    };
    auto state = std::make_shared<State>(State{.results = std::vector<Result>(table.shards.size()),
                                               .left = table.shards.size(),
                                               .then = std::move(then)});
    const auto take = [state](ShardId from, Result result) {
        state->results[from.value] = std::move(result);
        if (--state->left == 0) {
            state->then(std::move(state->results));
        }
    };
    for (ShardId there{0}; there.value < table.shard_count(); ++there) {
        call_on(table, here, there, work, [take, there](Result result) {
            take(there, std::move(result));
        });
    }
}

}  // namespace millrace::broker::protocol
