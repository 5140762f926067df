#include "broker/cluster/cluster_status.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>

namespace millrace::broker::cluster {
namespace {

using Json = nlohmann::json;

/// What one shard says.
struct ShardReport {
    ShardStanding standing;
    std::vector<consensus::GroupStatus> groups;
    std::vector<peers::PeerState> peers;
};

const char* name_of(consensus::MemberRole role) {
    return role == consensus::MemberRole::voter     ? "voter"
           : role == consensus::MemberRole::standby ? "standby"
                                                    : "spare";
}

Json to_json(const consensus::GroupStatus& group, std::size_t shard) {
    auto replicas = Json::array();
    for (const auto& replica : group.replicas) {
        replicas.push_back({{"node", replica.node.value},
                            {"match", replica.match.value},
                            {"behind", replica.is_behind}});
    }
    auto members = Json::array();
    for (const auto& member : group.members) {
        members.push_back({{"node", member.node.value}, {"role", name_of(member.role)}});
    }
    return {{"group", group.group.value},
            {"members", std::move(members)},
            {"shard", shard},
            {"leads", group.role.leads},
            {"leader", group.role.leader.value},
            {"term", group.role.term.value},
            {"last", group.last.value},
            {"applied", group.applied.value},
            {"replicas", std::move(replicas)}};
}

std::string format(NodeId self, const std::vector<ShardReport>& reports) {
    auto groups = Json::array();
    auto nodes = Json::array();
    for (std::size_t shard = 0; shard < reports.size(); ++shard) {
        for (const auto& group : reports[shard].groups) {
            groups.push_back(to_json(group, shard));
        }
    }
    const auto& first = reports.front();
    for (const auto& peer : first.peers) {
        const bool is_linked = std::ranges::all_of(reports, [&peer](const ShardReport& report) {
            const auto found = std::ranges::find(report.peers, peer.node, &peers::PeerState::node);
            return found != report.peers.end() && found->is_linked;
        });
        nodes.push_back({{"node", peer.node.value},
                         {"address", peer.address},
                         {"linked", is_linked},
                         {"native", peer.native}});
    }
    const bool leads = std::ranges::all_of(
        reports, [](const ShardReport& report) { return report.standing.leads; });
    return Json{{"node", self.value},
                {"role", leads ? "leads" : "follows"},
                {"leader", first.standing.leader.value},
                {"nodes", std::move(nodes)},
                {"groups", std::move(groups)}}
        .dump();
}

/// The reports of all shards, as they come.
struct Gathering {
    NodeId self;
    std::vector<ShardReport> reports;
    std::size_t left = 0;
    std::function<void(std::string)> done;

    void take(std::size_t shard, ShardReport report) {
        reports[shard] = std::move(report);
        if (--left == 0) {
            done(format(self, reports));
        }
    }
};

void ask(const ClusterStatus::Link& link,
         std::size_t shard,
         boost::asio::io_context& control,
         const std::shared_ptr<Gathering>& gathering) {
    link.runtime->post_from_outside([link, shard, &control, gathering] {
        ShardReport report{.standing = link.shard->standing(),
                           .groups = link.shard->groups(),
                           .peers = link.replica->peers()};
        boost::asio::post(control, [shard, gathering, report = std::move(report)]() mutable {
            gathering->take(shard, std::move(report));
        });
    });
}

}  // namespace

void ClusterStatus::gather(std::function<void(std::string json)> done) const {
    const auto gathering =
        std::make_shared<Gathering>(Gathering{.self = self_,
                                              .reports = std::vector<ShardReport>(shards_.size()),
                                              .left = shards_.size(),
                                              .done = std::move(done)});
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        ask(shards_[i], i, control_, gathering);
    }
}

}  // namespace millrace::broker::cluster
