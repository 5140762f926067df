#include "client/cli/cluster/cluster_views.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "client/cli/text/enum_names.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"

namespace millrace::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string role_of(const ClusterStatus& status, const ClusterNode& node) {
    if (node.node == status.leader) {
        return "leads";
    }
    if (!node.linked) {
        return "missing";
    }
    if (stands_by(node)) {
        return "standby";
    }
    return node.voter ? "follows" : "joins";
}

/// "NODE 4", and what it is where it does not vote.
std::string title_of(const ClusterNode& node) {
    const auto title = "NODE " + std::to_string(node.node);
    return node.voter ? title : title + " (" + name_of(cluster_member_names, node.member) + ")";
}

std::string duty_text(const ClusterNode& node) {
    if (node.leaving) {
        return ", leaves";
    }
    return node.drained ? ", drained" : "";
}

/// "plant=1,rack=a".
std::string labels_text(const ClusterNode& node) {
    std::string text;
    for (const auto& [name, value] : node.labels) {
        text.append(text.empty() ? "" : ",").append(name).append("=").append(value);
    }
    return text;
}

std::string lag_text(const ClusterStatus& status, const ClusterNode& node) {
    const auto lag = lag_of(status, node.node);
    return lag ? format_count(lag->entries) : "-";
}

Json to_json(const ClusterStatus& status, const ClusterNode& node) {
    Json json{{"node", node.node},
              {"role", role_of(status, node)},
              {"member", name_of(cluster_member_names, node.member)},
              {"drained", node.drained},
              {"leaving", node.leaving},
              {"linked", node.linked},
              {"address", node.address},
              {"native", node.native},
              {"http", node.http},
              {"labels", node.labels},
              {"lacks", nullptr},
              {"behind", nullptr}};
    if (const auto lag = lag_of(status, node.node)) {
        json["lacks"] = lag->entries;
        json["behind"] = lag->is_far_behind;
    }
    return json;
}

Json to_json(const ClusterGroup& group) {
    auto replicas = Json::array();
    for (const auto& replica : group.replicas) {
        replicas.push_back({{"node", replica.node},
                            {"match", replica.match},
                            {"lacks", group.last - std::min(replica.match, group.last)},
                            {"behind", replica.behind}});
    }
    return {{"group", group.group},
            {"shard", group.shard},
            {"leader", group.leader},
            {"term", group.term},
            {"last", group.last},
            {"applied", group.applied},
            {"replicas", std::move(replicas)}};
}

std::string cell_of(const ClusterStatus& status, const ClusterGroup& group, std::uint64_t node) {
    if (node == group.leader) {
        return "leads";
    }
    if (node == status.node_id) {
        return format_count(group.last);
    }
    const auto found = std::ranges::find(group.replicas, node, &ClusterReplica::node);
    if (found == group.replicas.end()) {
        return "-";
    }
    const auto lacks = group.last - std::min(found->match, group.last);
    const std::string how = found->behind ? ", far behind" : "";
    return format_count(found->match) + (lacks == 0 ? "" : " (-" + format_count(lacks) + how + ")");
}

}  // namespace

Json nodes_to_json(const ClusterStatus& status) {
    auto nodes = Json::array();
    for (const auto& node : status.nodes) {
        nodes.push_back(to_json(status, node));
    }
    return nodes;
}

Json to_json(const ClusterStatus& status, const ClusterHealth& health) {
    auto groups = Json::array();
    for (const auto& group : status.groups) {
        groups.push_back(to_json(group));
    }
    return {{"asked", status.node_id},
            {"clustered", status.clustered},
            {"leader", status.leader},
            {"nodes", nodes_to_json(status)},
            {"groups", std::move(groups)},
            {"health", health.sentence},
            {"healthy", health.code == ExitCode::ok}};
}

void print_groups(std::ostream& out, const ClusterStatus& status) {
    std::vector<Column> columns{{"GROUP"},
                                {"SHARD", Align::right},
                                {"TERM", Align::right},
                                {"LAST", Align::right},
                                {"APPLIED", Align::right}};
    for (const auto& node : status.nodes) {
        columns.push_back({title_of(node), Align::right});
    }
    Table table(std::move(columns));
    for (const auto& group : status.groups) {
        std::vector<std::string> cells{
            group.group == 0 ? "catalog" : "data " + std::to_string(group.group),
            std::to_string(group.shard),
            std::to_string(group.term),
            format_count(group.last),
            format_count(group.applied)};
        for (const auto& node : status.nodes) {
            cells.push_back(cell_of(status, group, node.node));
        }
        table.append(std::move(cells));
    }
    table.print(out);
}

void print_nodes(std::ostream& out, const ClusterStatus& status) {
    Table table({{"NODE", Align::right},
                 {"ROLE"},
                 {"LACKS", Align::right},
                 {"ADDRESS"},
                 {"NATIVE"},
                 {"HTTP"},
                 {"LABELS"}});
    for (const auto& node : status.nodes) {
        const auto shown = [](const std::string& text) {
            return text.empty() ? std::string("-") : text;
        };
        table.append({std::to_string(node.node),
                      role_of(status, node) + duty_text(node),
                      lag_text(status, node),
                      shown(node.address),
                      shown(node.native),
                      shown(node.http),
                      shown(labels_text(node))});
    }
    table.print(out);
}

}  // namespace millrace::cli
