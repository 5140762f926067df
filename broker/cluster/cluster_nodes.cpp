#include "broker/cluster/cluster_nodes.hpp"

#include <charconv>
#include <optional>
#include <utility>

#include <boost/asio/ip/address_v4.hpp>

namespace millrace::broker::cluster {
namespace {

constexpr std::uint64_t port_max = 65'535;

std::optional<std::uint64_t> to_number(std::string_view text) {
    std::uint64_t number = 0;
    const auto* const end = text.data() + text.size();
    const auto [stopped, code] = std::from_chars(text.data(), end, number);
    return code == std::errc{} && stopped == end ? std::optional(number) : std::nullopt;
}

Error bad(std::string_view part, const std::string& why) {
    return fail(Errc::configuration,
                "cluster_nodes: \"" + std::string(part) + "\" " + why +
                    "; write it as 1=192.0.2.1:7201,2=192.0.2.2:7201,3=192.0.2.3:7201");
}

Result<std::pair<NodeId, Endpoint>> parse_one(std::string_view part, std::uint32_t shard_count) {
    const auto equals = part.find('=');
    if (equals == std::string_view::npos) {
        return bad(part, "is no node");
    }
    const auto id = to_number(part.substr(0, equals));
    if (!id || *id == 0) {
        return bad(part, "has no id above 0");
    }
    const auto endpoint = ClusterNodes::parse_address(part.substr(equals + 1), shard_count);
    if (!endpoint) {
        return bad(part, endpoint.error().text);
    }
    return std::pair{NodeId{*id}, endpoint.value()};
}

std::map<NodeId, Endpoint> moved_to(std::map<NodeId, Endpoint> endpoints, ShardId shard) {
    for (auto& [node, endpoint] : endpoints) {
        endpoint.port = static_cast<std::uint16_t>(endpoint.port + shard.value);
    }
    return endpoints;
}

/// Whose ports those of `endpoint` would run into.
std::optional<NodeId> node_in_the_way(const std::map<NodeId, Endpoint>& nodes,
                                      const Endpoint& endpoint,
                                      std::uint32_t shard_count) {
    for (const auto& [node, other] : nodes) {
        const auto apart = std::abs(other.port - endpoint.port);
        if (other.address == endpoint.address && apart < static_cast<int>(shard_count)) {
            return node;
        }
    }
    return std::nullopt;
}

}  // namespace

Result<Endpoint> ClusterNodes::parse_address(std::string_view text, std::uint32_t shard_count) {
    const auto colon = text.rfind(':');
    const auto port =
        colon == std::string_view::npos ? std::nullopt : to_number(text.substr(colon + 1));
    if (!port || *port == 0 || *port + shard_count - 1 > port_max) {
        return fail(
            Errc::configuration,
            "has no port, or not one for each of " + std::to_string(shard_count) + " shards");
    }
    const std::string address(text.substr(0, colon));
    boost::system::error_code code;
    (void)boost::asio::ip::make_address_v4(address, code);
    if (code) {
        return fail(Errc::configuration, "has no IPv4 address");
    }
    return Endpoint{.address = address, .port = static_cast<std::uint16_t>(*port)};
}

Result<ClusterNodes> ClusterNodes::parse(std::string_view text,
                                         NodeId self,
                                         std::uint32_t shard_count) {
    ClusterNodes nodes;
    nodes.self_ = self;
    nodes.shard_count_ = shard_count;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
        MILLRACE_TRY(const auto node, parse_one(part, shard_count));
        if (const auto other = node_in_the_way(nodes.nodes_, node.second, shard_count)) {
            return bad(part,
                       "runs into the ports of node " + std::to_string(other->value) +
                           ": each takes one for each of " + std::to_string(shard_count) +
                           " shards");
        }
        if (!nodes.nodes_.insert(node).second) {
            return bad(part, "is there twice");
        }
    }
    if (!nodes.nodes_.contains(self)) {
        return fail(Errc::configuration,
                    "cluster_nodes: node_id " + std::to_string(self.value) + " is not among them");
    }
    return nodes;
}

void ClusterNodes::add(const std::vector<consensus::Member>& members) {
    for (const auto& member : members) {
        const auto endpoint = parse_address(member.address, shard_count_);
        if (endpoint && !nodes_.contains(member.node)) {
            joined_.insert_or_assign(member.node, endpoint.value());
        }
    }
}

std::map<NodeId, Endpoint> ClusterNodes::endpoints_of(ShardId shard) const {
    auto endpoints = nodes_;
    endpoints.insert(joined_.begin(), joined_.end());
    return moved_to(std::move(endpoints), shard);
}

std::map<NodeId, Endpoint> ClusterNodes::endpoints_of(
    ShardId shard, const std::vector<consensus::Member>& members) const {
    std::map<NodeId, Endpoint> endpoints;
    for (const auto& member : members) {
        const auto named = nodes_.find(member.node);
        const auto joined = parse_address(member.address, shard_count_);
        if (named != nodes_.end()) {
            endpoints.insert(*named);
        } else if (joined) {
            endpoints.emplace(member.node, joined.value());
        }
    }
    return moved_to(std::move(endpoints), shard);
}

std::vector<Endpoint> ClusterNodes::others_of(ShardId shard) const {
    std::vector<Endpoint> others;
    for (const auto& [node, endpoint] : endpoints_of(shard)) {
        if (node != self_) {
            others.push_back(endpoint);
        }
    }
    return others;
}

std::vector<consensus::Voter> ClusterNodes::voters() const {
    std::vector<consensus::Voter> voters;
    for (const auto& [node, endpoint] : nodes_) {
        voters.push_back({.node = node, .address = format_endpoint(endpoint)});
    }
    return voters;
}

}  // namespace millrace::broker::cluster
