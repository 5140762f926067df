#pragma once

#include <functional>
#include <memory>
#include <string>

#include "broker/cluster/cluster_nodes.hpp"
#include "broker/peers/peer_mesh.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::cluster {

/// One shard of a node as one of several replicas: the links to the others, and what goes over
/// them.
///
/// Threads:  the shard's. Outlives the shard; made before it, on its thread.
class Replica {
  public:
    Replica(const ClusterNodes& nodes,
            ShardId shard,
            std::uint32_t shard_count,
            Duration election_timeout,
            Runtime& runtime,
            MetricsRegistry& metrics);

    /// For the options of the shard that is to be made.
    [[nodiscard]] ShardCluster options();
    /// After the shard has opened: listens and connects. `on_behind`: the shard has to be copied.
    /// Errors: io, where the port is taken.
    [[nodiscard]] Result<void> start(Shard& shard, std::function<void(NodeId leader)> on_behind);
    void set_native(std::string native) { mesh_.set_native(std::move(native)); }
    [[nodiscard]] std::vector<peers::PeerState> peers() const { return mesh_.peers(); }

  private:
    void see_links();
    [[nodiscard]] Result<peers::ShardListing> list(bool has_forgotten) const;

    std::vector<consensus::Voter> voters_;
    Duration election_timeout_;
    peers::PeerMesh mesh_;
    Shard* shard_ = nullptr;
    std::function<void(NodeId)> on_behind_;
    bool is_founded_ = false;
};

}  // namespace millrace::broker::cluster
