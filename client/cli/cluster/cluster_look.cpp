#include "client/cli/cluster/cluster_look.hpp"

#include <algorithm>
#include <optional>
#include <sstream>

#include "client/cli/app/session.hpp"
#include "millrace/client.hpp"

namespace millrace::cli {
namespace {

ClientOptions options_of(const Session& session, const ClusterAddress& address) {
    ClientOptions options;
    options.brokers = address.brokers;
    options.client_name = "millrace-cli";
    options.request_timeout = session.timeout_or(options.request_timeout);
    options.connect_timeout = std::min(address.connect_timeout, options.request_timeout);
    return options;
}

std::optional<ClusterStatus> try_to_ask(const Session& session, const std::string& brokers) {
    try {
        return ask_cluster(session, {.brokers = brokers});
    } catch (const ClientError&) {
        return std::nullopt;
    }
}

/// The leader whom a node names, if it answers and agrees.
std::optional<ClusterStatus> follow(const Session& session, const ClusterStatus& seen) {
    if (!seen.clustered || seen.leads) {
        return seen;
    }
    const auto native = native_of(seen, seen.leader);
    const auto there = native.empty() ? std::nullopt : try_to_ask(session, native);
    return there && there->leads ? there : std::nullopt;
}

}  // namespace

ClusterStatus ask_cluster(const Session& session, const ClusterAddress& address) {
    auto options = options_of(session, address);
    options.any_node = true;
    return Client(options).admin().cluster_status();
}

ClusterStatus look_at_cluster(const Session& session) {
    return look_at_cluster(session, session.globals().brokers);
}

ClusterStatus look_at_cluster(const Session& session, const std::string& brokers) {
    auto seen = ask_cluster(
        session, {.brokers = brokers, .connect_timeout = ClientOptions().connect_timeout});
    if (const auto leader = follow(session, seen)) {
        return *leader;
    }
    // It may be cut off from the rest, or know less than another one does.
    std::istringstream each(brokers);
    for (std::string one; std::getline(each, one, ',');) {
        const auto other = try_to_ask(session, one);
        const auto leader = other ? follow(session, *other) : std::nullopt;
        if (leader && leader->leads) {
            return *leader;
        }
    }
    return seen;
}

const ClusterNode* find_node(const ClusterStatus& status, std::uint64_t node) {
    const auto found = std::ranges::find(status.nodes, node, &ClusterNode::node);
    return found == status.nodes.end() ? nullptr : &*found;
}

std::string native_of(const ClusterStatus& status, std::uint64_t node) {
    const auto* const found = find_node(status, node);
    return found == nullptr ? std::string() : found->native;
}

std::string natives_besides(const ClusterStatus& status, std::uint64_t node) {
    std::string natives;
    for (const auto& one : status.nodes) {
        if (one.node != node && !one.native.empty()) {
            natives.append(natives.empty() ? "" : ",").append(one.native);
        }
    }
    return natives;
}

}  // namespace millrace::cli
