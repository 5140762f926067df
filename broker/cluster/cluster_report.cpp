#include "broker/cluster/cluster_report.hpp"

#include <algorithm>
#include <utility>

#include <nlohmann/json.hpp>

namespace millrace::broker::cluster {
namespace {

using Json = nlohmann::json;

const char* name_of(consensus::MemberRole role) {
    return role == consensus::MemberRole::voter     ? "voter"
           : role == consensus::MemberRole::standby ? "standby"
                                                    : "spare";
}

Json to_json(const ClusterReport::Group& group) {
    auto replicas = Json::array();
    for (const auto& replica : group.status.replicas) {
        replicas.push_back({{"node", replica.node.value},
                            {"match", replica.match.value},
                            {"behind", replica.is_behind}});
    }
    auto members = Json::array();
    for (const auto& member : group.status.members) {
        members.push_back({{"node", member.node.value}, {"role", name_of(member.role)}});
    }
    return {{"group", group.status.group.value},
            {"members", std::move(members)},
            {"shard", group.shard.value},
            {"leads", group.status.role.leads},
            {"leader", group.status.role.leader.value},
            {"term", group.status.role.term.value},
            {"last", group.status.last.value},
            {"applied", group.status.applied.value},
            {"replicas", std::move(replicas)}};
}

std::string name_of(NodeId node) {
    return "node " + std::to_string(node.value);
}

/// What a node lacks of a group. Errors: unavailable, where that is more than is in memory, or it
/// is no voter.
Result<std::uint64_t> lag_of(const ClusterReport::Group& group, NodeId node) {
    const auto found =
        std::ranges::find(group.status.replicas, node, &consensus::ReplicaProgress::node);
    const auto name = "group " + std::to_string(group.status.group.value);
    if (found == group.status.replicas.end()) {
        return fail(Errc::not_leader, "this node does not lead " + name);
    }
    if (!found->votes) {
        return fail(Errc::unavailable, name_of(node) + " is no voter of " + name + " yet");
    }
    if (found->is_behind) {
        return fail(Errc::unavailable, name_of(node) + " is far behind in " + name);
    }
    return group.status.last.value - std::min(found->match.value, group.status.last.value);
}

/// Of a member as a whole: what of it counts is the first group.
Json to_json(const ClusterReport& report, const peers::PeerState& peer) {
    const auto role = role_of(report, peer.node);
    return {{"node", peer.node.value},
            {"address", peer.address},
            {"linked", peer.is_linked},
            {"native", peer.native},
            {"http", peer.http},
            {"labels", peer.labels},
            {"member", role ? Json(name_of(*role)) : Json()},
            {"drained", report.drained.contains(peer.node)},
            {"leaving", report.leaving.contains(peer.node)},
            {"to_vote", is_to_vote(report, peer.node)}};
}

}  // namespace

std::optional<consensus::MemberRole> role_of(const ClusterReport& report, NodeId node) {
    const auto* const found = consensus::find_member(report.groups.front().status.members, node);
    return found == nullptr ? std::nullopt : std::optional(found->role);
}

bool is_to_vote(const ClusterReport& report, NodeId node) {
    return consensus::is_voter(report.wanted, node);
}

ClusterReport merge_reports(NodeId self, const std::vector<ShardReport>& shards) {
    ClusterReport merged{
        .self = self,
        .leads = std::ranges::all_of(
            shards, [](const ShardReport& report) { return report.standing.leads; }),
        .leader = shards.front().standing.leader,
        .own = shards.front().own,
        .peers = shards.front().peers,
        .groups = {},
        .wanted = shards.front().wanted,
        .drained = shards.front().drained,
        .leaving = shards.front().leaving};
    for (auto& peer : merged.peers) {
        peer.is_linked = std::ranges::all_of(shards, [&peer](const ShardReport& report) {
            const auto found = std::ranges::find(report.peers, peer.node, &peers::PeerState::node);
            return found != report.peers.end() && found->is_linked;
        });
    }
    for (ShardId shard{0}; shard.value < shards.size(); ++shard) {
        for (const auto& group : shards[shard.value].groups) {
            merged.groups.push_back({.shard = shard, .status = group});
        }
    }
    return merged;
}

std::string format_report(const ClusterReport& report) {
    auto groups = Json::array();
    auto nodes = Json::array();
    for (const auto& group : report.groups) {
        groups.push_back(to_json(group));
    }
    for (const auto& peer : report.peers) {
        nodes.push_back(to_json(report, peer));
    }
    const auto role = role_of(report, report.self);
    return Json{{"node", report.self.value},
                {"labels", report.own ? report.own->labels : peers::NodeLabels{}},
                {"member", role ? Json(name_of(*role)) : Json()},
                {"drained", report.drained.contains(report.self)},
                {"leaving", report.leaving.contains(report.self)},
                {"role", report.leads ? "leads" : "follows"},
                {"leader", report.leader.value},
                {"nodes", std::move(nodes)},
                {"groups", std::move(groups)}}
        .dump();
}

namespace {

/// Whether it could lead, drained or not. Errors: as `check_successor`.
Result<void> check_ability(const ClusterReport& report, NodeId to) {
    const auto found = std::ranges::find(report.peers, to, &peers::PeerState::node);
    if (found == report.peers.end()) {
        return fail(Errc::not_found,
                    name_of(to) + " is not in cluster_nodes of " + name_of(report.self));
    }
    if (!found->is_linked) {
        return fail(Errc::unavailable,
                    name_of(to) + " is not linked to " + name_of(report.self) + ", which leads");
    }
    if (role_of(report, to) == consensus::MemberRole::standby && !is_to_vote(report, to)) {
        return fail(Errc::conflict,
                    name_of(to) + " stands by and does not vote: only a voter can lead");
    }
    for (const auto& group : report.groups) {
        MILLRACE_TRY(const auto lag, lag_of(group, to));
        if (lag > handover_entries_max) {
            return fail(Errc::unavailable,
                        name_of(to) + " is behind: it lacks " + std::to_string(lag) +
                            " entries of group " + std::to_string(group.status.group.value) +
                            "; try again when it has caught up");
        }
    }
    return ok();
}

}  // namespace

Result<void> check_successor(const ClusterReport& report, NodeId to) {
    if (report.drained.contains(to)) {
        return fail(Errc::conflict,
                    name_of(to) + " is drained; millrace cluster undrain lets it lead again");
    }
    return check_ability(report, to);
}

std::optional<NodeId> best_successor(const ClusterReport& report) {
    std::optional<NodeId> best;
    std::pair<bool, std::uint64_t> least{true, UINT64_MAX};  // drained, lacks
    for (const auto& peer : report.peers) {
        if (!check_ability(report, peer.node)) {
            continue;
        }
        std::uint64_t lag = 0;
        for (const auto& group : report.groups) {
            lag += lag_of(group, peer.node).value();
        }
        const std::pair score{report.drained.contains(peer.node), lag};
        if (score < least) {
            least = score;
            best = peer.node;
        }
    }
    return best;
}

}  // namespace millrace::broker::cluster
