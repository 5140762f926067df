#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "broker/consensus/group.hpp"
#include "broker/runtime/runtime.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::cluster {

/// Where each node of a cluster hears the others: its shard n on the port n above the one that is
/// named.
class ClusterNodes {
  public:
    /// "1=127.0.0.1:7201,2=127.0.0.1:7301": ids from 1, IPv4 addresses. Errors: configuration, also
    /// where `self` is not among them, or the ports of two nodes run into each other.
    [[nodiscard]] static Result<ClusterNodes> parse(std::string_view text,
                                                    NodeId self,
                                                    std::uint32_t shard_count);

    /// "192.0.2.1:7201". Errors: configuration, also where the ports of `shard_count` shards above
    /// it do not exist.
    [[nodiscard]] static Result<Endpoint> parse_address(std::string_view text,
                                                        std::uint32_t shard_count);

    /// Members that joined after the cluster was founded. One that the setting names is where that
    /// says: it may have moved.
    void add(const std::vector<consensus::Member>& members);
    [[nodiscard]] std::map<NodeId, Endpoint> endpoints_of(ShardId shard) const;
    /// Of the members alone.
    [[nodiscard]] std::map<NodeId, Endpoint> endpoints_of(
        ShardId shard, const std::vector<consensus::Member>& members) const;
    [[nodiscard]] std::vector<Endpoint> others_of(ShardId shard) const;
    /// Those of the setting, who would found a cluster.
    [[nodiscard]] std::vector<consensus::Voter> voters() const;
    [[nodiscard]] NodeId self() const { return self_; }
    [[nodiscard]] std::string own_address() const { return format_endpoint(nodes_.at(self_)); }

  private:
    NodeId self_;
    std::uint32_t shard_count_ = 1;
    std::map<NodeId, Endpoint> nodes_;
    std::map<NodeId, Endpoint> joined_;  ///< later, and not named by the setting
};

}  // namespace millrace::broker::cluster
