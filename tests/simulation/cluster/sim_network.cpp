#include "tests/simulation/cluster/sim_network.hpp"

#include <algorithm>

namespace millrace::simulation::cluster {
namespace {

constexpr Duration look_interval{50'000};
constexpr double link_share = 0.35;    ///< of looks at which a link that can be made is
constexpr double unlink_share = 0.06;  ///< of looks at which one that is cut is given up

}  // namespace

class SimNetwork::Sender final : public broker::consensus::PeerLinks {
  public:
    Sender(SimNetwork& network, NodeId self) : network_(network), self_(self) {}
    bool send(NodeId to, GroupId group, std::vector<std::byte> message) override {
        return network_.send(self_, to, group, std::move(message));
    }

  private:
    SimNetwork& network_;
    NodeId self_;
};

SimNetwork::SimNetwork(Stage& stage, std::vector<NodeId> nodes)
    : stage_(stage), nodes_(std::move(nodes)) {
    for (const auto from : nodes_) {
        senders_.emplace(from, std::make_unique<Sender>(*this, from));
        for (const auto to : nodes_) {
            channels_[{from, to}] = {};
        }
    }
}

void SimNetwork::start() {
    stage_.after(look_interval, [this] {
        keep_links();
        start();
    });
}

void SimNetwork::attach(NodeId node, NetworkPeer& peer) {
    peers_[node] = &peer;
}

void SimNetwork::detach(NodeId node) {
    peers_.erase(node);
    for (const auto other : nodes_) {
        if (channels_[{node, other}].is_linked) {
            unlink(node, other);
        }
    }
}

SimNetwork::Seen SimNetwork::see(NodeId at, NodeId other) const {
    const auto& channel = channels_.at({other, at});
    return {.is_linked = channel.is_linked, .is_new = channel.source_was_new};
}

bool SimNetwork::hears(NodeId one, NodeId other) const {
    return channels_.at({one, other}).way == Way::open &&
           channels_.at({other, one}).way == Way::open;
}

bool SimNetwork::can_link(NodeId one, NodeId other) const {
    return peers_.contains(one) && peers_.contains(other) && hears(one, other);
}

void SimNetwork::keep_links() {
    for (const auto one : nodes_) {
        for (const auto other : nodes_) {
            keep_link(one, other);
        }
    }
}

void SimNetwork::keep_link(NodeId one, NodeId other) {
    if (one >= other) {
        return;
    }
    const bool is_linked = channels_[{one, other}].is_linked;
    const bool can_be = can_link(one, other);
    if (!is_linked && can_be && stage_.chance(link_share)) {
        link(one, other);
    } else if (is_linked && !can_be && stage_.chance(unlink_share)) {
        unlink(one, other);
    }
}

void SimNetwork::link(NodeId one, NodeId other) {
    for (const auto& [from, to] : {Direction{one, other}, Direction{other, one}}) {
        end_channel({from, to});
        auto& channel = channels_[{from, to}];
        channel.is_linked = true;
        channel.source_was_new = peers_.at(from)->is_new();
    }
    peers_.at(one)->see_links();
    peers_.at(other)->see_links();
}

void SimNetwork::unlink(NodeId one, NodeId other) {
    end_channel({one, other});
    end_channel({other, one});
    for (const auto node : {one, other}) {
        if (const auto found = peers_.find(node); found != peers_.end()) {
            found->second->see_links();
        }
    }
}

void SimNetwork::end_channel(const Direction& direction) {
    auto& channel = channels_[direction];
    channel.is_linked = false;
    ++channel.link;
    channel.held.clear();
    channel.last_due = stage_.now();
}

void SimNetwork::set_way(NodeId from, NodeId to, Way way) {
    auto& channel = channels_[{from, to}];
    channel.way = way;
    if (way == Way::open) {
        for (const auto& message : std::exchange(channel.held, {})) {
            carry({from, to}, message);
        }
    }
}

void SimNetwork::heal() {
    quality_ = {};
    for (const auto from : nodes_) {
        for (const auto to : nodes_) {
            set_way(from, to, Way::open);
        }
    }
}

bool SimNetwork::send(NodeId from, NodeId to, GroupId group, std::vector<std::byte> bytes) {
    const auto found = channels_.find({from, to});
    if (found == channels_.end() || !found->second.is_linked) {
        return false;
    }
    auto& channel = found->second;
    if (channel.way == Way::loses || stage_.chance(quality_.lost)) {
        return true;
    }
    const auto message =
        std::make_shared<Message>(Message{.group = group, .bytes = std::move(bytes)});
    if (channel.way == Way::holds) {
        channel.held.push_back(message);
        return true;
    }
    carry({from, to}, message);
    if (stage_.chance(quality_.doubled)) {
        carry({from, to}, message);
    }
    return true;
}

void SimNetwork::carry(const Direction& direction, const std::shared_ptr<Message>& message) {
    auto& channel = channels_[direction];
    const auto latency = stage_.between(quality_.latency_min, quality_.latency_max);
    channel.last_due = std::max(channel.last_due, stage_.now() + latency);
    stage_.after(channel.last_due - stage_.now(), [this, direction, link = channel.link, message] {
        const auto peer = peers_.find(direction.second);
        if (channels_[direction].link == link && peer != peers_.end()) {
            peer->second->take_message(direction.first, message->group, message->bytes);
        }
    });
}

}  // namespace millrace::simulation::cluster
