#include "client/src/admin_impl.hpp"
#include "client/wire/schema/cluster_generated.h"
#include "millrace/admin.hpp"

namespace millrace {
namespace {

using wire::Api;

ClusterGroup from_wire(const wire::ClusterGroupT& group) {
    ClusterGroup made{.group = group.group,
                      .shard = group.shard,
                      .leads = group.leads,
                      .leader = group.leader,
                      .term = group.term,
                      .last = group.last,
                      .applied = group.applied,
                      .replicas = {}};
    made.replicas.reserve(group.replicas.size());
    for (const auto& replica : group.replicas) {
        made.replicas.push_back(
            {.node = replica->node, .match = replica->match, .behind = replica->behind});
    }
    return made;
}

ClusterMember from_wire(wire::ClusterMember member, bool votes) {
    if (member == wire::ClusterMember::standby) {
        return ClusterMember::standby;
    }
    return votes ? ClusterMember::voter : ClusterMember::spare;
}

ClusterNode from_wire(const wire::ClusterNodeT& node) {
    ClusterNode made{.node = node.node,
                     .address = node.address,
                     .linked = node.linked,
                     .native = node.native,
                     .http = node.http,
                     .voter = node.voter,
                     .member = from_wire(node.member, node.voter),
                     .to_vote = node.to_vote,
                     .drained = node.drained,
                     .leaving = node.leaving};
    for (const auto& label : node.labels) {
        made.labels.emplace(label->name, label->value);
    }
    return made;
}

}  // namespace

ClusterStatus Admin::cluster_status() {
    const auto answer = impl_->core->call<wire::ClusterStatusAnswer>(Api::cluster_status,
                                                                     wire::ClusterStatusRequestT{});
    ClusterStatus status{.node_id = answer.node_id,
                         .clustered = answer.clustered,
                         .leads = answer.leads,
                         .leader = answer.leader,
                         .nodes = {},
                         .groups = {}};
    status.nodes.reserve(answer.nodes.size());
    for (const auto& node : answer.nodes) {
        status.nodes.push_back(from_wire(*node));
    }
    for (const auto& group : answer.groups) {
        status.groups.push_back(from_wire(*group));
    }
    return status;
}

void Admin::transfer_lead(std::uint64_t node) {
    wire::ClusterTransferRequestT request;
    request.to = node;
    (void)impl_->core->call<wire::Done>(Api::cluster_transfer, request);
}

void Admin::join_node(std::uint64_t node, const std::string& address) {
    wire::ClusterJoinRequestT request;
    request.node = node;
    request.address = address;
    (void)impl_->core->call<wire::Done>(Api::cluster_join, std::move(request));
}

void Admin::remove_node(std::uint64_t node) {
    wire::ClusterRemoveRequestT request;
    request.node = node;
    (void)impl_->core->call<wire::Done>(Api::cluster_remove, request);
}

void Admin::drain_node(std::uint64_t node, bool drained) {
    wire::ClusterDrainRequestT request;
    request.node = node;
    request.drained = drained;
    (void)impl_->core->call<wire::Done>(Api::cluster_drain, request);
}

}  // namespace millrace
