#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "broker/gateways/http/routing/route.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::http {

/// How nodes join and leave; both empty in a node that stands alone. Answers come on the control
/// thread. Errors: configuration, conflict, not_leader.
struct NodeAdmission {
    using Done = std::function<void(Result<void>)>;
    std::function<void(std::uint64_t node, const std::string& address, Done done)> add;
    std::function<void(std::uint64_t node, Done done)> remove;
    std::function<void(std::uint64_t node, bool drained, Done done)> drain;
};

/// /v1/cluster/nodes. What is given must outlive the routes.
[[nodiscard]] Routes node_routes(const NodeAdmission& admission);

}  // namespace millrace::broker::http
