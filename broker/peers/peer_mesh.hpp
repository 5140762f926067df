#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/consensus/group.hpp"
#include "broker/peers/complaints.hpp"
#include "broker/peers/peer_link.hpp"
#include "broker/runtime/runtime.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::peers {

/// Another node, as one shard sees it.
struct PeerState {
    NodeId node;
    std::string address;
    bool is_linked = false;
    bool is_new = false;  ///< nothing was ever agreed on there
    std::string native;   ///< where its clients connect; empty before the first link
    std::string http;
    NodeLabels labels = {};      ///< as it last told
    Duration unlinked_for = {};  ///< 0: it is linked
};

/// Where a node is reached by those who are no nodes; address:port.
struct NodeAddresses {
    std::string native;
    std::string http;
};

/// The links of one shard to the shards of the same number on the other nodes.
///
/// Promise:  what is sent over one link arrives in order or the link ends; a message for which
/// there is no link, or no room on it, is lost at once. Threads:  the shard's. Failure:  a link
/// that ends is made again after a moment, by the node with the higher number.
class PeerMesh final : public consensus::PeerLinks {
  public:
    struct Options {
        NodeId self{1};
        ShardId shard;
        std::uint32_t shard_count = 1;
        std::map<NodeId, Endpoint> nodes;     ///< where this shard listens on each, `self` included
        std::vector<std::uint64_t> founders;  ///< ids of those that would found a cluster
        NodeLabels labels = {};               ///< of this node, for the others
        wire::Codec codec = wire::Codec::none;  ///< for what is sent to those that read it
        std::size_t unsent_bytes_max = 64_MiB;
    };
    using ListDone = std::function<void(const Result<ShardListing>&)>;
    /// What the shard does with it; all are set before `start`.
    struct Handlers {
        std::function<void(NodeId from, GroupId group, std::span<const std::byte> message)>
            on_message;
        std::function<void()> on_links;  ///< one came or went
        std::function<bool()> is_new;    ///< nothing was ever agreed on here
        std::function<std::string()> cluster_id;
        /// `has_forgotten`: the other node does not know any more what it voted and acknowledged.
        /// Errors: not_leader, and those of the store.
        std::function<void(bool has_forgotten, ListDone done)> list;
        std::function<void(const storage::SegmentRead& read, storage::SegmentReadDone done)> read;
        /// An entry that is committed. Errors: not_found, and those of the store.
        std::function<void(const storage::EntryRequest& request, storage::FindEntryDone done)>
            find_entry;
        /// What another node read of this segment does not verify.
        std::function<void(const storage::SegmentExtent& extent)> on_doubt;
    };
    PeerMesh(Options options, Runtime& runtime, MetricsRegistry& metrics);
    PeerMesh(const PeerMesh&) = delete;
    PeerMesh& operator=(const PeerMesh&) = delete;
    PeerMesh(PeerMesh&&) = delete;
    PeerMesh& operator=(PeerMesh&&) = delete;
    ~PeerMesh() override;

    /// Listens, and begins to connect. `addresses`: of this node, for those who are told to go to
    /// the leader. Errors: io, where the port is taken.
    [[nodiscard]] Result<void> start(NodeAddresses addresses, Handlers handlers);
    /// From now on these, with which it began or others: links to those that are gone end.
    void set_nodes(const std::map<NodeId, Endpoint>& nodes);
    bool send(NodeId to, GroupId group, std::vector<std::byte> message) override;
    /// Linked to every other node, and nothing was ever agreed on anywhere.
    [[nodiscard]] bool are_all_new() const;
    /// Linked to one where something was agreed on.
    [[nodiscard]] bool has_elder() const;
    /// This node, as the others see it.
    [[nodiscard]] PeerState own() const;
    [[nodiscard]] std::vector<PeerState> peers() const;

  private:
    struct Peer {
        Endpoint endpoint;
        PeerLink* link = nullptr;
        bool is_dialled = false;  ///< from here, or about to be
        bool is_new = false;
        NodeAddresses addresses;
        NodeLabels labels;
        SteadyTime unlinked_since{};
        std::uint64_t replaced = 0;  ///< the process whose link another one's took the place of
    };
    /// `dialled`: to whom this node connected, and will again when the link ends.
    PeerLink* add(std::shared_ptr<Connection> connection, std::optional<NodeId> dialled);
    Result<void> take(PeerLink& link, const PeerHello& hello);
    [[nodiscard]] Result<void> check(const PeerHello& hello) const;
    [[nodiscard]] Result<void> check_process(const PeerHello& hello) const;
    void handle(PeerLink& link, const wire::FrameView& frame);
    void answer_list(PeerLink& link, std::uint32_t correlation);
    void answer_read(PeerLink& link, const wire::FrameView& frame);
    void answer_entry(PeerLink& link, const wire::FrameView& frame);
    /// Sends the bytes or why there are none, if the link is still there when the disk answers.
    [[nodiscard]] storage::SegmentReadDone answer_with(PeerLink& link,
                                                       PeerApi api,
                                                       std::uint32_t correlation);
    void take_doubt(PeerLink& link, const wire::FrameView& frame) const;
    void forget(PeerLink& link, std::optional<NodeId> dialled, const Error& reason);
    void complain(const PeerLink& link, std::optional<NodeId> dialled, const Error& reason);
    void dial(NodeId node);
    void dial_later(NodeId node);
    [[nodiscard]] PeerHello own_hello() const;
    [[nodiscard]] std::string name() const;
    [[nodiscard]] std::string no_member(NodeId node) const;

    Options options_;
    Runtime& runtime_;
    Handlers handlers_;
    NodeAddresses addresses_;
    bool has_started_ = false;
    Complaints complaints_;
    std::map<NodeId, Peer> peers_;
    std::unordered_map<PeerLink*, std::unique_ptr<PeerLink>> links_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
    Gauge& linked_;
    Counter& messages_out_;
    Counter& messages_lost_;
    Compression compression_;
};

}  // namespace millrace::broker::peers
