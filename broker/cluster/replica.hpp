#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/cluster/cluster_nodes.hpp"
#include "broker/cluster/cluster_record.hpp"
#include "broker/cluster/member_steps.hpp"
#include "broker/cluster/voter_placement.hpp"
#include "broker/peers/peer_mesh.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::cluster {

/// One shard of a node as one of several replicas: the links to the others, and what goes over
/// them.
///
/// Threads:  the shard's. Outlives the shard; made before it, on its thread.
class Replica {
  public:
    struct Options {
        ClusterNodes nodes;
        ShardId shard;
        std::uint32_t shard_count = 1;
        Duration election_timeout{600'000};
        std::uint64_t copy_bytes_per_second = 0;  ///< 0: no limit
        peers::NodeLabels labels = {};            ///< of this node
        PlacementRules placement = {};
        wire::Codec codec = wire::Codec::none;  ///< for what is sent to other nodes
    };
    /// `record` outlives it.
    Replica(const Options& options,
            ClusterRecord& record,
            Runtime& runtime,
            MetricsRegistry& metrics);

    /// For the options of the shard that is to be made.
    [[nodiscard]] ShardCluster options();
    /// After the shard has opened: listens and connects. `on_behind`: the shard has to be copied.
    /// Errors: io, where the port is taken.
    [[nodiscard]] Result<void> start(Shard& shard,
                                     peers::NodeAddresses addresses,
                                     std::function<void(NodeId leader)> on_behind);
    /// Called when a link came or went.
    void on_links(std::function<void()> listener) { tell_links_ = std::move(listener); }
    [[nodiscard]] peers::PeerState own() const { return mesh_.own(); }
    [[nodiscard]] std::vector<peers::PeerState> peers() const { return mesh_.peers(); }
    /// The members of the first group, each with the role that it is to have; empty where this
    /// node does not lead it. **Requires** the first shard.
    [[nodiscard]] std::vector<consensus::Member> wanted_members() const;
    /// Nodes that are drained, and of these those that leave. **Require** the first shard.
    [[nodiscard]] std::set<NodeId> drained() const;
    [[nodiscard]] std::set<NodeId> leaving() const;
    /// At the leader: one step at most of each group towards these members.
    void converge(const std::vector<consensus::Member>& wanted);
    /// At the leader of the first group, whose members all others are given in time.
    void add_member(NodeId node, std::string address, CommandDone done);
    /// This node itself is drained and leaves, which ends with whoever leads next.
    void remove_member(NodeId node, CommandDone done);
    /// A drained node hands the lead on, and stands by where another can vote in its place, until
    /// it is drained no more.
    void drain_member(NodeId node, bool drained, CommandDone done);
    /// Hands what this node leads to another, which is made a voter first where it is none; 0: to
    /// anybody. Nothing happens where it can't; to be called again until it has.
    void give_lead(NodeId to);
    /// Hands what this node leads to one that has it, if it can be to `leader`; each call tries on.
    void make_way(NodeId leader);

  private:
    void change(const consensus::GroupStatus& group, const consensus::MemberChange& step);
    void see_links();
    void see_members();
    [[nodiscard]] Heard heard() const;
    void list(bool has_forgotten, const peers::PeerMesh::ListDone& done) const;
    [[nodiscard]] Result<peers::ShardListing> listing() const;

    ClusterNodes nodes_;
    ClusterRecord& record_;
    ShardId number_;
    Duration election_timeout_;
    std::uint64_t copy_bytes_per_second_;
    PlacementRules placement_;
    peers::PeerMesh mesh_;
    Shard* shard_ = nullptr;
    std::function<void(NodeId)> on_behind_;
    std::function<void()> tell_links_;
    bool is_founded_ = false;
};

/// One shard of a node with its replica, which is null where the node stands alone.
struct ReplicaLink {
    Runtime* runtime = nullptr;
    Shard* shard = nullptr;
    Replica* replica = nullptr;
};

}  // namespace millrace::broker::cluster
