#pragma once

#include <functional>
#include <string>
#include <vector>

#include "broker/cluster/replica.hpp"
#include "broker/shard/shard.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker::cluster {

/// What this node knows of its cluster, as JSON: docs/cluster.md.
///
/// Threads:  the control thread.
class ClusterStatus {
  public:
    struct Link {
        Runtime* runtime = nullptr;
        Shard* shard = nullptr;
        Replica* replica = nullptr;
    };
    ClusterStatus(boost::asio::io_context& control, NodeId self, std::vector<Link> shards)
        : control_(control), self_(self), shards_(std::move(shards)) {}

    /// `done` runs later, on the control thread; never, where the shards end before.
    void gather(std::function<void(std::string json)> done) const;

  private:
    boost::asio::io_context& control_;
    NodeId self_;
    std::vector<Link> shards_;
};

}  // namespace millrace::broker::cluster
