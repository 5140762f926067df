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
    const auto colon = part.rfind(':');
    if (equals == std::string_view::npos || colon == std::string_view::npos || colon < equals) {
        return bad(part, "is no node");
    }
    const auto id = to_number(part.substr(0, equals));
    const auto port = to_number(part.substr(colon + 1));
    const std::string address(part.substr(equals + 1, colon - equals - 1));
    boost::system::error_code code;
    (void)boost::asio::ip::make_address_v4(address, code);
    if (!id || *id == 0) {
        return bad(part, "has no id above 0");
    }
    if (!port || *port == 0 || *port + shard_count - 1 > port_max) {
        return bad(
            part, "has no port, or not one for each of " + std::to_string(shard_count) + " shards");
    }
    if (code) {
        return bad(part, "has no IPv4 address");
    }
    return std::pair{NodeId{*id},
                     Endpoint{.address = address, .port = static_cast<std::uint16_t>(*port)}};
}

}  // namespace

Result<ClusterNodes> ClusterNodes::parse(std::string_view text,
                                         NodeId self,
                                         std::uint32_t shard_count) {
    ClusterNodes nodes;
    nodes.self_ = self;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
        MILLRACE_TRY(const auto node, parse_one(part, shard_count));
        for (const auto& [other, endpoint] : nodes.nodes_) {
            const auto apart = std::abs(endpoint.port - node.second.port);
            if (endpoint.address == node.second.address && apart < static_cast<int>(shard_count)) {
                return bad(part,
                           "runs into the ports of node " + std::to_string(other.value) +
                               ": each takes one for each of " + std::to_string(shard_count) +
                               " shards");
            }
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

std::map<NodeId, Endpoint> ClusterNodes::endpoints_of(ShardId shard) const {
    auto endpoints = nodes_;
    for (auto& [node, endpoint] : endpoints) {
        endpoint.port = static_cast<std::uint16_t>(endpoint.port + shard.value);
    }
    return endpoints;
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
