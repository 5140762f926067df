#include "broker/node_membership.hpp"

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include "storage/base/logging.hpp"

namespace millrace::broker {

Result<void> check_cluster_settings(const Config& config) {
    MILLRACE_TRY(peers::parse_labels(config.node_labels));
    const auto voters = config.cluster_voters_max;
    if (voters == 1 || (voters > 0 && voters % 2 == 0)) {
        return fail(Errc::configuration,
                    "cluster_voters_max: " + std::to_string(voters) +
                        (voters == 1 ? " voter can't be away at all"
                                     : " voters bear no more than one less would") +
                        "; take 3, 5 or another odd number, or 0 for all");
    }
    if (!wire::find_codec(config.cluster_compression)) {
        return fail(Errc::configuration,
                    "cluster_compression: \"" + config.cluster_compression +
                        "\" is none of none, lz4 and zstd");
    }
    if (!peers::is_label_word(config.cluster_spread_by)) {
        return fail(Errc::configuration,
                    "cluster_spread_by: \"" + config.cluster_spread_by +
                        "\" is no name of a label, as rack is");
    }
    return ok();
}

Result<void> NodeMembership::find(const Config& config, NodeIdentity identity) {
    identity_ = std::move(identity);
    MILLRACE_TRY(check_cluster_settings(config));
    MILLRACE_TRY(labels_, peers::parse_labels(config.node_labels));
    const bool goes_on_alone = config.cluster_go_on_alone;
    if (config.cluster_nodes.empty() && !goes_on_alone) {
        return ok();
    }
    MILLRACE_TRY(nodes_,
                 cluster::ClusterNodes::parse(
                     config.cluster_nodes, NodeId{identity_.node_id}, identity_.shard_count));
    if (goes_on_alone && nodes_->voters().size() != 1) {
        return fail(Errc::configuration,
                    "cluster_go_on_alone: cluster_nodes has to name this node alone");
    }
    cluster::ClusterFacts known{.id = identity_.cluster_id, .members = {}};
    for (const auto& [node, address] : identity_.members) {
        known.members.push_back({.node = NodeId{node}, .address = address});
    }
    nodes_->add(known.members);
    record_.emplace(std::move(known), [this](const cluster::ClusterFacts& facts) {
        boost::asio::post(control_, [this, facts] { keep(facts); });
    });
    return ok();
}

peers::NodeAddresses NodeMembership::addresses_of(Endpoint native, Endpoint http) const {
    const auto known = nodes_->endpoints_of(ShardId{0}).at(nodes_->self()).address;
    for (auto* const endpoint : {&native, &http}) {
        endpoint->address = endpoint->address == "0.0.0.0" ? known : endpoint->address;
    }
    return {.native = format_endpoint(native), .http = format_endpoint(http)};
}

cluster::ShardCopies NodeMembership::copies(const Config& config) const {
    return {.data_directory = config.data_dir,
            .nodes = *nodes_,
            .record = *record_,
            .shard_count = identity_.shard_count,
            .bytes_per_second = config.cluster_copy_bytes_per_second};
}

void NodeMembership::keep(const cluster::ClusterFacts& facts) {
    identity_.cluster_id = facts.id;
    identity_.members.clear();
    for (const auto& member : facts.members) {
        identity_.members[member.node.value] = member.address;
    }
    if (const auto kept = directory_.keep(identity_); !kept) {
        log_warning("node", kept.error().text);
    }
}

}  // namespace millrace::broker
