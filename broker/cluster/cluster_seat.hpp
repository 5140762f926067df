#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "broker/cluster/replica.hpp"
#include "broker/shard/shard.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker::cluster {

/// A shard whose log does not verify, and where.
struct DamagedShard {
    ShardId shard;
    std::vector<SegmentSequence> segments;
};

/// What this node is in its cluster: hears how its shards stand, brings the lead of all groups to
/// the node that leads the first, away from one that is behind in any of them, and says when this
/// node may serve and when it must not any more.
/// What it leads with a log that does not verify it hands to a node that has all of it: nobody
/// could be copied from here.
///
/// Threads:  the control thread; `report` any.
class ClusterSeat {
  public:
    struct Events {
        std::function<void()> on_lead;  ///< all groups of all shards; once
        /// After `on_lead`, or when a shard takes part no more; once, and the last.
        std::function<void()> on_lost;
        /// The shard's log does not verify, and another node leads it; again and again until it is
        /// repaired or copied.
        std::function<void(Shard&)> on_damaged;
    };
    ClusterSeat(boost::asio::io_context& control, NodeId self);
    ClusterSeat(const ClusterSeat&) = delete;
    ClusterSeat& operator=(const ClusterSeat&) = delete;
    ClusterSeat(ClusterSeat&&) = delete;
    ClusterSeat& operator=(ClusterSeat&&) = delete;
    ~ClusterSeat();

    /// Begins to watch; the shards are open. `damaged`: as the life before has found.
    void watch(std::vector<ReplicaLink> shards,
               const std::vector<DamagedShard>& damaged,
               Events events);
    /// A shard of this node is behind the one of `leader`, 0 where that is not known: hands over
    /// what it leads, or nobody would lead all, which is where it can be copied from. To another
    /// where `leader` can't take it, which may be behind in what is led here.
    void make_way(NodeId leader);
    /// Hands the lead of all groups to a node that is up to date. `done` comes once: when no group
    /// is led here any more, before `on_lost`, or with why it is not so. Errors: not_leader;
    /// conflict while it is under way to another; timed_out, where this node leads on.
    void hand_over(NodeId to, std::function<void(Result<void>)> done);
    /// To whom the lead is on its way; nothing: it stays.
    [[nodiscard]] std::optional<NodeId> successor() const {
        return handover_ ? std::optional(handover_->to) : std::nullopt;
    }
    /// No event comes after it. Before the shards end.
    void stop();
    /// Say who leads, as far as this node knows, and where clients or HTTP find that node. Threads:
    /// any.
    [[nodiscard]] Error refusal() const;
    [[nodiscard]] Error http_refusal() const;
    /// Where clients of the nodes connect, as far as that is known, the leader's first. Threads:
    /// any.
    [[nodiscard]] std::vector<std::string> natives() const;
    [[nodiscard]] bool leads() const { return leads_; }
    /// Whose logs do not verify.
    [[nodiscard]] std::vector<DamagedShard> damaged() const;

  private:
    struct Impl;
    struct Handover {
        NodeId to;
        std::chrono::steady_clock::time_point deadline;
        std::vector<std::function<void(Result<void>)>> done;
    };
    void watch_one(std::size_t index);
    void report(std::size_t shard, ShardStanding standing, std::vector<peers::PeerState> peers);
    void look();
    void give_way(NodeId leader);
    void transfer_all(NodeId to);
    /// The replicas of shards that lead a group.
    void tell_leading(void (Replica::*what)(NodeId), NodeId node);
    void give_up_the_rest();
    void note_leader(NodeId leader);
    [[nodiscard]] peers::PeerState leader() const;
    void look_again();
    void look_at_handover();
    void end_handover(const Result<void>& outcome);
    void look_at_damaged();

    std::shared_ptr<Impl> impl_;
    NodeId self_;
    std::vector<ReplicaLink> shards_;
    std::vector<ShardStanding> standings_;
    Events events_;
    bool leads_ = false;
    bool is_stopped_ = false;
    int looks_without_leader_ = 0;
    std::optional<Handover> handover_;
    mutable std::mutex leader_mutex_;      ///< of the next two, which others read
    std::vector<peers::PeerState> peers_;  ///< as the first shard sees them
    peers::PeerState leader_;              ///< node 0: nobody leads
};

}  // namespace millrace::broker::cluster
