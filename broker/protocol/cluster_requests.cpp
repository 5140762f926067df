#include <algorithm>
#include <memory>
#include <utility>

#include "broker/protocol/session.hpp"
#include "client/wire/schema/cluster_generated.h"

namespace millrace::broker::protocol {
namespace {

/// One of a cluster that is not founded yet will vote.
wire::ClusterMember member_of(const cluster::ClusterReport& report, NodeId node) {
    const auto role = report.groups.front().status.members.empty() ? consensus::MemberRole::voter
                                                                   : cluster::role_of(report, node);
    if (!role) {
        return wire::ClusterMember::unknown;
    }
    switch (*role) {
        case consensus::MemberRole::voter:
            return wire::ClusterMember::voter;
        case consensus::MemberRole::standby:
            return wire::ClusterMember::standby;
        case consensus::MemberRole::spare:
            break;
    }
    return wire::ClusterMember::spare;
}

std::unique_ptr<wire::ClusterNodeT> format_node(const cluster::ClusterReport& report,
                                                const peers::PeerState& peer) {
    auto made = std::make_unique<wire::ClusterNodeT>();
    made->node = peer.node.value;
    made->address = peer.address;
    made->linked = peer.is_linked;
    made->native = peer.native;
    made->http = peer.http;
    made->member = member_of(report, peer.node);
    made->voter = made->member == wire::ClusterMember::voter;
    made->to_vote = cluster::is_to_vote(report, peer.node);
    made->drained = report.drained.contains(peer.node);
    made->leaving = report.leaving.contains(peer.node);
    made->labels.reserve(peer.labels.size());
    for (const auto& [name, value] : peer.labels) {
        auto& label = made->labels.emplace_back(std::make_unique<wire::ClusterLabelT>());
        label->name = name;
        label->value = value;
    }
    return made;
}

std::unique_ptr<wire::ClusterGroupT> format_group(const cluster::ClusterReport::Group& group) {
    auto made = std::make_unique<wire::ClusterGroupT>();
    const auto& status = group.status;
    made->group = static_cast<std::uint32_t>(status.group.value);
    made->shard = group.shard.value;
    made->leads = status.role.leads;
    made->leader = status.role.leader.value;
    made->term = status.role.term.value;
    made->last = status.last.value;
    made->applied = status.applied.value;
    for (const auto& replica : status.replicas) {
        auto& row = made->replicas.emplace_back(std::make_unique<wire::ClusterReplicaT>());
        row->node = replica.node.value;
        row->match = replica.match.value;
        row->behind = replica.is_behind;
    }
    return made;
}

wire::ClusterStatusAnswerT format_status(const cluster::ClusterReport& report) {
    wire::ClusterStatusAnswerT answer;
    answer.node_id = report.self.value;
    answer.clustered = report.own.has_value();
    answer.leads = report.leads;
    answer.leader = report.leader.value;
    if (report.own) {
        answer.nodes.push_back(format_node(report, *report.own));
    }
    for (const auto& peer : report.peers) {
        answer.nodes.push_back(format_node(report, peer));
    }
    std::ranges::sort(answer.nodes, {}, [](const auto& node) { return node->node; });
    for (const auto& group : report.groups) {
        answer.groups.push_back(format_group(group));
    }
    return answer;
}

template <class Answer, class Format>
void deliver(const std::weak_ptr<Session>& to,
             const wire::FrameHeader& header,
             const Format& format,
             const Answer& answer) {
    if (const auto session = to.lock()) {
        format(*session, header, answer);
    }
}

/// Brings an answer of the control thread back to the session, which may be gone by then.
template <class Answer, class Format>
auto answer_later(const Request& request, Format format) {
    return [weak = request.session->weak_from_this(),
            header = request.header,
            runtime = &request.session->services().shard->runtime(),
            format](Answer answer) {
        runtime->post_from_outside([weak, header, format, answer = std::move(answer)] {
            deliver(weak, header, format, answer);
        });
    };
}

/// What only the node that leads does. `change` gets what was asked and the way back.
template <class Message, class Change>
void change_cluster(const Request& request, Change change) {
    const auto parsed = wire::parse_message<Message>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto& table = request.session->table();
    if (const auto refused = table.refusal ? table.refusal() : std::nullopt) {
        request.refuse(*refused);
        return;
    }
    change(table.cluster,
           parsed.value(),
           answer_later<Result<void>>(
               request,
               [](Session& session, const wire::FrameHeader& header, const Result<void>& outcome) {
                   if (outcome) {
                       session.answer(header, wire::DoneT{});
                   } else {
                       session.refuse(header, outcome.error());
                   }
               }));
}

}  // namespace

void handle_cluster(const Request& request) {
    switch (static_cast<wire::Api>(request.header.api)) {
        case wire::Api::cluster_transfer:
            change_cluster<wire::ClusterTransferRequest>(
                request, [](const ClusterDoor& door, const auto& asked, auto done) {
                    door.transfer(NodeId{asked.to}, std::move(done));
                });
            return;
        case wire::Api::cluster_join:
            change_cluster<wire::ClusterJoinRequest>(
                request, [](const ClusterDoor& door, const auto& asked, auto done) {
                    door.join(NodeId{asked.node}, asked.address, std::move(done));
                });
            return;
        case wire::Api::cluster_remove:
            change_cluster<wire::ClusterRemoveRequest>(
                request, [](const ClusterDoor& door, const auto& asked, auto done) {
                    door.remove(NodeId{asked.node}, std::move(done));
                });
            return;
        case wire::Api::cluster_drain:
            change_cluster<wire::ClusterDrainRequest>(
                request, [](const ClusterDoor& door, const auto& asked, auto done) {
                    door.drain(NodeId{asked.node}, asked.drained, std::move(done));
                });
            return;
        default:
            break;
    }
    request.session->table().cluster.report(
        answer_later<cluster::ClusterReport>(request,
                                             [](Session& session,
                                                const wire::FrameHeader& header,
                                                const cluster::ClusterReport& report) {
                                                 session.answer(header, format_status(report));
                                             }));
}

}  // namespace millrace::broker::protocol
