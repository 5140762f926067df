#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/shard/shard.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker::cluster {

/// What this node is in its cluster: hears how its shards stand, brings the lead of all groups to
/// the node that leads the first, and says when this node may serve and when it must not any more.
///
/// Threads:  the control thread; `report` any.
class ClusterSeat {
  public:
    struct Link {
        Runtime* runtime = nullptr;
        Shard* shard = nullptr;
    };
    struct Events {
        std::function<void()> on_lead;  ///< all groups of all shards; once
        /// After `on_lead`, or when a shard takes part no more; once, and the last.
        std::function<void()> on_lost;
    };
    ClusterSeat(boost::asio::io_context& control, NodeId self);
    ClusterSeat(const ClusterSeat&) = delete;
    ClusterSeat& operator=(const ClusterSeat&) = delete;
    ClusterSeat(ClusterSeat&&) = delete;
    ClusterSeat& operator=(ClusterSeat&&) = delete;
    ~ClusterSeat();

    /// Begins to watch; the shards are open.
    void watch(std::vector<Link> shards, Events events);
    /// A shard of this node is behind the one of `leader`, 0 where that is not known: hands over
    /// what it leads, or nobody would lead all, which is where it can be copied from.
    void give_way(NodeId leader);
    /// No event comes after it. Before the shards end.
    void stop();
    /// Who leads as far as this node knows; 0: nobody. Threads: any.
    [[nodiscard]] NodeId leader() const { return NodeId{leader_.load()}; }
    [[nodiscard]] bool leads() const { return leads_; }

  private:
    struct Impl;
    void watch_one(std::size_t index);
    void report(std::size_t shard, ShardStanding standing);
    void look();
    void give_up_the_rest();
    void look_again();

    std::shared_ptr<Impl> impl_;
    NodeId self_;
    std::vector<Link> shards_;
    std::vector<ShardStanding> standings_;
    Events events_;
    bool leads_ = false;
    bool is_stopped_ = false;
    int looks_without_leader_ = 0;
    std::atomic<std::uint64_t> leader_{0};
};

}  // namespace millrace::broker::cluster
