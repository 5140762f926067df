#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "tests/simulation/cluster/stage.hpp"

#include "broker/consensus/group.hpp"
#include "storage/base/ids.hpp"

namespace millrace::simulation::cluster {

/// A node at its ends of the links.
class NetworkPeer {
  public:
    NetworkPeer() = default;
    NetworkPeer(const NetworkPeer&) = delete;
    NetworkPeer& operator=(const NetworkPeer&) = delete;
    NetworkPeer(NetworkPeer&&) = delete;
    NetworkPeer& operator=(NetworkPeer&&) = delete;
    virtual ~NetworkPeer() = default;
    virtual void take_message(NodeId from, GroupId group, std::vector<std::byte> message) = 0;
    /// One came or went.
    virtual void see_links() = 0;
    /// What it tells of itself when a link is made.
    [[nodiscard]] virtual bool is_new() const = 0;
};

/// The links between nodes, as broker/peers makes them over TCP: made when both nodes are there and
/// hear each other, ended when one of them is gone, or some time after they hear each other no
/// more.
///
/// Promise:  what arrives over one link arrives in order. Between links there is no order.
class SimNetwork {
  public:
    struct Quality {
        Duration latency_min{50};
        Duration latency_max{2'000};
        double lost = 0;  ///< share of messages; TCP would not, consensus must stand it
        double doubled = 0;
    };
    /// What becomes of messages in a direction.
    enum class Way : std::uint8_t {
        open,
        loses,
        holds,  ///< they arrive once it is open again, if the link lives so long
    };
    SimNetwork(Stage& stage, std::vector<NodeId> nodes);

    /// From now on, links come and go.
    void start();
    [[nodiscard]] broker::consensus::PeerLinks& links_of(NodeId node) { return *senders_.at(node); }
    void attach(NodeId node, NetworkPeer& peer);
    void detach(NodeId node);
    void set_way(NodeId from, NodeId to, Way way);
    void set_quality(const Quality& quality) { quality_ = quality; }
    /// Every way is open, and nothing is lost any more.
    void heal();

    struct Seen {
        bool is_linked = false;
        bool is_new = false;  ///< when the link was made
    };
    /// The other node as `at` sees it.
    [[nodiscard]] Seen see(NodeId at, NodeId other) const;
    /// Nothing is cut between them.
    [[nodiscard]] bool hears(NodeId one, NodeId other) const;

  private:
    using Direction = std::pair<NodeId, NodeId>;
    struct Message {
        GroupId group;
        std::vector<std::byte> bytes;
    };
    struct Channel {
        Way way = Way::open;
        bool is_linked = false;
        bool source_was_new = false;
        std::uint64_t link = 0;  ///< messages of an earlier one are lost
        SteadyTime last_due{};
        std::deque<std::shared_ptr<Message>> held;
    };
    class Sender;

    bool send(NodeId from, NodeId to, GroupId group, std::vector<std::byte> bytes);
    void carry(const Direction& direction, const std::shared_ptr<Message>& message);
    [[nodiscard]] bool can_link(NodeId one, NodeId other) const;
    void keep_links();
    void keep_link(NodeId one, NodeId other);
    void link(NodeId one, NodeId other);
    void unlink(NodeId one, NodeId other);
    void end_channel(const Direction& direction);

    Stage& stage_;
    std::vector<NodeId> nodes_;
    Quality quality_;
    std::map<NodeId, std::unique_ptr<broker::consensus::PeerLinks>> senders_;
    std::map<NodeId, NetworkPeer*> peers_;
    std::map<Direction, Channel> channels_;
};

}  // namespace millrace::simulation::cluster
