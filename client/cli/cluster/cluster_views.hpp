#pragma once

#include <iosfwd>

#include <nlohmann/json.hpp>

#include "client/cli/cluster/cluster_health.hpp"
#include "millrace/admin.hpp"

namespace millrace::cli {

[[nodiscard]] nlohmann::ordered_json to_json(const ClusterStatus& status,
                                             const ClusterHealth& health);
[[nodiscard]] nlohmann::ordered_json nodes_to_json(const ClusterStatus& status);

/// A line a group, a column a node.
void print_groups(std::ostream& out, const ClusterStatus& status);
void print_nodes(std::ostream& out, const ClusterStatus& status);

}  // namespace millrace::cli
