#include "client/cli/cluster/cluster_health.hpp"

#include <algorithm>
#include <vector>

#include "client/cli/text/quantity_text.hpp"

namespace millrace::cli {
namespace {

/// "node 1", "nodes 1 and 3", "nodes 1, 2 and 3".
std::string name_all(const std::vector<std::uint64_t>& nodes) {
    std::string text = nodes.size() == 1 ? "node " : "nodes ";
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const char* const before = i == 0 ? "" : i + 1 == nodes.size() ? " and " : ", ";
        text += before + std::to_string(nodes[i]);
    }
    return text;
}

/// Why a node that is linked could not take over at once; nothing where it could.
std::optional<std::string> lateness_of(const ClusterNode& node,
                                       const std::optional<ReplicaLag>& lag) {
    if (!node.voter && !stands_by(node)) {
        return "is no voter yet";
    }
    if (lag && lag->is_far_behind) {
        return "is far behind";
    }
    if (lag && lag->entries > late_entries_max) {
        return "lacks " + format_count(lag->entries) + " entries";
    }
    return std::nullopt;
}

/// What is wrong with the nodes beside the one that was asked.
struct Findings {
    std::vector<std::uint64_t> unlinked;
    std::vector<std::string> late;
    std::vector<std::uint64_t> standbys;  ///< that are there
    std::vector<std::uint64_t> drained;
    std::size_t voters = 0;
    std::size_t linked = 0;  ///< voters
    std::size_t good = 0;    ///< of these, those that do not copy
};

Findings look_at_nodes(const ClusterStatus& status) {
    Findings found;
    for (const auto& node : status.nodes) {
        const auto lag = lag_of(status, node.node);
        found.voters += node.voter ? 1U : 0U;
        found.linked += node.voter && node.linked ? 1U : 0U;
        found.good += node.voter && node.linked && !(lag && lag->is_far_behind) ? 1U : 0U;
        if (node.linked && stands_by(node)) {
            found.standbys.push_back(node.node);
        }
        if (node.drained) {
            found.drained.push_back(node.node);
        }
        if (!node.linked) {
            found.unlinked.push_back(node.node);
        } else if (const auto why = lateness_of(node, lag)) {
            found.late.push_back("node " + std::to_string(node.node) + " " + *why);
        }
    }
    return found;
}

std::string text_of(const Findings& found, std::uint64_t asked) {
    std::string text;
    if (!found.standbys.empty()) {
        text = ", " + name_all(found.standbys) +
               (found.standbys.size() == 1 ? " stands by" : " stand by");
    }
    if (!found.drained.empty()) {
        text += ", " + name_all(found.drained) +
                (found.drained.size() == 1 ? " is drained" : " are drained");
    }
    if (!found.unlinked.empty()) {
        text += ", " + name_all(found.unlinked) + (found.unlinked.size() == 1 ? " is" : " are") +
                " not linked to node " + std::to_string(asked);
    }
    for (const auto& late : found.late) {
        text += ", " + late;
    }
    return text;
}

}  // namespace

std::optional<ReplicaLag> lag_of(const ClusterStatus& status, std::uint64_t node) {
    if (node == status.node_id) {
        return status.leads ? std::optional(ReplicaLag{}) : std::nullopt;
    }
    std::optional<ReplicaLag> most;
    for (const auto& group : status.groups) {
        const auto found = std::ranges::find(group.replicas, node, &ClusterReplica::node);
        if (found == group.replicas.end()) {
            return std::nullopt;
        }
        most = most.value_or(ReplicaLag{});
        most->entries = std::max(most->entries, group.last - std::min(found->match, group.last));
        most->is_far_behind = most->is_far_behind || found->behind;
    }
    return most;
}

bool is_up_to_date(const std::optional<ReplicaLag>& lag) {
    return lag && !lag->is_far_behind && lag->entries <= late_entries_max;
}

bool stands_by(const ClusterNode& node) {
    return node.member == ClusterMember::standby && !node.to_vote;
}

ClusterHealth health_of(const ClusterStatus& status) {
    const auto asked = std::to_string(status.node_id);
    if (!status.clustered) {
        return {.sentence = "node " + asked + " stands alone, it is no part of a cluster"};
    }
    const auto found = look_at_nodes(status);
    const auto majority = found.voters / 2 + 1;
    auto text =
        std::to_string(status.nodes.size()) + (status.nodes.size() == 1 ? " node, " : " nodes, ") +
        (status.leader == 0 ? "no node leads" : "node " + std::to_string(status.leader) + " leads");
    if (status.leader == status.node_id && !status.leads) {
        text += " and does not serve yet";
    }
    text += text_of(found, status.node_id);
    if (found.linked < majority) {
        return {.sentence = text + ": a majority is missing", .code = ExitCode::retryable};
    }
    if (status.leader == 0 || (status.leader == status.node_id && !status.leads)) {
        return {.sentence = text, .code = ExitCode::retryable};
    }
    if (!status.leads) {
        return {
            .sentence = text + "; it could not be asked, so how far the others are is not known",
            .code = ExitCode::partly};
    }
    if (found.unlinked.empty() && found.late.empty()) {
        return {.sentence = text + ", all up to date"};
    }
    if (found.good == majority) {
        text += ": no further node may go";
    }
    return {.sentence = text, .code = ExitCode::partly};
}

}  // namespace millrace::cli
