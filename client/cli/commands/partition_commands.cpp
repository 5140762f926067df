#include <algorithm>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "client/cli/app/options.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

struct PartitionListOptions {
    std::vector<std::string> patterns;
};

/// Of the group that carries a partition; 0: nobody is known to lead it.
std::uint64_t leader_of(const ClusterStatus& status, std::uint32_t group) {
    const auto found = std::ranges::find(status.groups, group, &ClusterGroup::group);
    return found == status.groups.end() ? 0 : found->leader;
}

void print_partitions(Session& session,
                      const std::vector<TopicDescription>& topics,
                      const ClusterStatus& status) {
    Table table({{"TOPIC"},
                 {"PARTITION", Align::right},
                 {"GROUP", Align::right},
                 {"SHARD", Align::right},
                 {"LEADER", Align::right},
                 {"FIRST", Align::right},
                 {"NEXT", Align::right}});
    for (const auto& topic : topics) {
        for (const auto& partition : topic.partitions) {
            const auto leader = leader_of(status, partition.group);
            table.append({topic.name,
                          std::to_string(partition.index),
                          std::to_string(partition.group),
                          std::to_string(partition.shard),
                          leader == 0 ? "-" : "node " + std::to_string(leader),
                          std::to_string(partition.first_offset),
                          std::to_string(partition.next_offset)});
        }
    }
    table.print(session.out());
}

nlohmann::ordered_json partition_to_json(const std::string& topic,
                                         const TopicPartition& partition,
                                         std::uint64_t leader) {
    return {{"topic", topic},
            {"partition", partition.index},
            {"group", partition.group},
            {"shard", partition.shard},
            {"leader", leader},
            {"first_offset", partition.first_offset},
            {"next_offset", partition.next_offset}};
}

ExitCode list_partitions(Session& session, const PartitionListOptions& options) {
    const auto topics = session.admin().describe_topics(options.patterns);
    const auto status = session.admin().cluster_status();
    if (!session.is_json()) {
        print_partitions(session, topics, status);
        return ExitCode::ok;
    }
    auto list = nlohmann::ordered_json::array();
    for (const auto& topic : topics) {
        for (const auto& partition : topic.partitions) {
            list.push_back(
                partition_to_json(topic.name, partition, leader_of(status, partition.group)));
        }
    }
    print_json(session, list);
    return ExitCode::ok;
}

}  // namespace

void add_partition_commands(Registry& registry) {
    CLI::App& family =
        add_family(registry.app, {"partition", "Where the partitions of topics are", ""});
    Registry inner{family, registry.chosen};
    auto options = std::make_shared<PartitionListOptions>();
    CLI::App& ls = add_command(
        inner,
        {"ls",
         "List partitions: the consensus group and shard that carry each, the node that leads, "
         "offsets",
         "millrace partition ls\n"
         "millrace partition ls 'plant1.mes.>' --output json | jq '.[] | select(.shard==1)'"},
        options,
        list_partitions);
    ls.alias("list");
    ls.add_option("PATTERN", options->patterns, "Names of topics, or patterns with * and >");
}

}  // namespace millrace::cli
