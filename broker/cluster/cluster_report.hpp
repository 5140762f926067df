#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "broker/consensus/group.hpp"
#include "broker/peers/peer_mesh.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::cluster {

/// What one shard of a node knows.
struct ShardReport {
    ShardStanding standing;
    std::vector<consensus::GroupStatus> groups;
    std::optional<peers::PeerState> own;  ///< nothing in a node that stands alone
    std::vector<peers::PeerState> peers;
    std::vector<consensus::Member> wanted = {};  ///< as Replica::wanted_members; of the first shard
    std::set<NodeId> drained = {};               ///< of the first shard
    std::set<NodeId> leaving = {};               ///< of the first shard
};

/// What a node knows of its cluster.
struct ClusterReport {
    struct Group {
        ShardId shard;
        consensus::GroupStatus status;
    };
    NodeId self;
    bool leads = false;                   ///< every group, with everything of earlier terms applied
    NodeId leader;                        ///< 0 while nobody is known to lead
    std::optional<peers::PeerState> own;  ///< nothing in a node that stands alone
    std::vector<peers::PeerState> peers;  ///< the others; linked: all shards are
    std::vector<Group> groups;
    std::vector<consensus::Member> wanted;  ///< roles that members are to have, at the leader
    std::set<NodeId> drained;               ///< nodes that are not to lead
    std::set<NodeId> leaving;               ///< of these, who is taken out once another leads
};
/// What a node is in the first group; nothing: no member.
[[nodiscard]] std::optional<consensus::MemberRole> role_of(const ClusterReport& report,
                                                           NodeId node);
/// The leader has chosen it to vote.
[[nodiscard]] bool is_to_vote(const ClusterReport& report, NodeId node);
/// **Requires** a report of every shard, in order.
[[nodiscard]] ClusterReport merge_reports(NodeId self, const std::vector<ShardReport>& shards);
/// As /v1/cluster shows it: docs/cluster.md.
[[nodiscard]] std::string format_report(const ClusterReport& report);

/// A replica that lacks more than this would hold up everybody until it has caught up.
inline constexpr std::uint64_t handover_entries_max = 1'000;

/// Whether the lead can be handed to a node now. Errors: not_leader, not_found for a node that is
/// none of the cluster; conflict for one that stands by or is drained; unavailable where it is not
/// linked, is no voter yet, or lacks too much.
[[nodiscard]] Result<void> check_successor(const ClusterReport& report, NodeId to);
/// The one that lacks least, drained ones only where there is no other; nothing where none can lead
/// now.
[[nodiscard]] std::optional<NodeId> best_successor(const ClusterReport& report);

}  // namespace millrace::broker::cluster
