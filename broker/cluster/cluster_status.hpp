#pragma once

#include <functional>
#include <vector>

#include "broker/cluster/cluster_report.hpp"
#include "broker/cluster/replica.hpp"
#include "broker/shard/shard.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker::cluster {

/// Asks all shards of this node what they know of its cluster.
///
/// Threads:  the control thread.
class ClusterStatus {
  public:
    ClusterStatus(boost::asio::io_context& control, NodeId self, std::vector<ReplicaLink> shards)
        : control_(control), self_(self), shards_(std::move(shards)) {}

    /// `done` runs later, on the control thread; never, where the shards end before.
    void gather(std::function<void(ClusterReport report)> done) const;

  private:
    boost::asio::io_context& control_;
    NodeId self_;
    std::vector<ReplicaLink> shards_;
};

}  // namespace millrace::broker::cluster
