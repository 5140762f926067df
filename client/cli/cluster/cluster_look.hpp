#pragma once

#include <chrono>
#include <string>

#include "millrace/admin.hpp"

namespace millrace::cli {

class Session;

/// Whom to ask: host:port, more after commas, of which the first that answers is asked.
struct ClusterAddress {
    std::string brokers;
    std::chrono::milliseconds connect_timeout{1'000};
};
/// What one node knows, whether it leads or not. Throws ClientError.
[[nodiscard]] ClusterStatus ask_cluster(const Session& session, const ClusterAddress& address);
/// What the node that leads knows, or where that can't be asked what another one does. Throws
/// ClientError where no node answers.
[[nodiscard]] ClusterStatus look_at_cluster(const Session& session);
/// The same, of a node among `brokers`.
[[nodiscard]] ClusterStatus look_at_cluster(const Session& session, const std::string& brokers);
/// Null where it is none of the cluster.
[[nodiscard]] const ClusterNode* find_node(const ClusterStatus& status, std::uint64_t node);
/// Where the clients of a node connect; empty where that is not known.
[[nodiscard]] std::string native_of(const ClusterStatus& status, std::uint64_t node);
/// Of all nodes but one, with commas between them; empty where none is known.
[[nodiscard]] std::string natives_besides(const ClusterStatus& status, std::uint64_t node);

}  // namespace millrace::cli
