#pragma once

#include <optional>

#include "broker/cluster/cluster_nodes.hpp"
#include "broker/cluster/cluster_record.hpp"
#include "broker/cluster/replica.hpp"
#include "broker/cluster/shard_copies.hpp"
#include "broker/config/config.hpp"
#include "broker/data_directory.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker {

/// The settings that are about a cluster and can be judged without its nodes. Errors:
/// configuration.
[[nodiscard]] Result<void> check_cluster_settings(const Config& config);

/// Which nodes this one belongs with, as its setting and its data directory say; what the shards
/// learn of them goes into the data directory.
///
/// Threads:  the control thread; the record any.
class NodeMembership {
  public:
    /// `directory` and `control` outlive it.
    NodeMembership(boost::asio::io_context& control, const DataDirectory& directory)
        : control_(control), directory_(directory) {}

    /// Without cluster_nodes the node stands alone. Errors: configuration.
    [[nodiscard]] Result<void> find(const Config& config, NodeIdentity identity);
    /// Of this node.
    [[nodiscard]] const peers::NodeLabels& labels() const { return labels_; }
    [[nodiscard]] bool is_alone() const { return !nodes_.has_value(); }
    /// Null where it stands alone.
    [[nodiscard]] const cluster::ClusterNodes* nodes() const { return nodes_ ? &*nodes_ : nullptr; }
    /// What the other nodes are told of where this one is reached: one that listens everywhere
    /// tells the address by which they know it. **Requires** others.
    [[nodiscard]] peers::NodeAddresses addresses_of(Endpoint native, Endpoint http) const;
    /// Of the shards of this node. **Requires** that it does not stand alone.
    [[nodiscard]] cluster::ShardCopies copies(const Config& config) const;
    [[nodiscard]] cluster::ClusterRecord* record() { return record_ ? &*record_ : nullptr; }

  private:
    void keep(const cluster::ClusterFacts& facts);

    boost::asio::io_context& control_;
    const DataDirectory& directory_;
    NodeIdentity identity_;
    peers::NodeLabels labels_;
    std::optional<cluster::ClusterNodes> nodes_;
    std::optional<cluster::ClusterRecord> record_;
};

}  // namespace millrace::broker
