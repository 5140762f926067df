#include "broker/peers/peer_mesh.hpp"

#include <algorithm>
#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::broker::peers {
namespace {

constexpr Duration dial_timeout{1'000'000};
constexpr Duration dial_rest{200'000};
/// A leader and its followers hear each other several times in it.
constexpr Duration silence_of_the_dead{1'000'000};
/// Each node has one link, a copy under way, and what was cut off and is not noticed yet.
constexpr std::size_t connections_per_node = 8;

std::string list(const std::vector<std::uint64_t>& nodes) {
    std::string text;
    for (const auto node : nodes) {
        text += (text.empty() ? "" : ", ") + std::to_string(node);
    }
    return text;
}

}  // namespace

PeerMesh::PeerMesh(Options options, Runtime& runtime, MetricsRegistry& metrics)
    : options_(std::move(options)),
      runtime_(runtime),
      linked_(metrics.gauge("millrace_peers_linked",
                            "Other nodes that this shard has a link to.",
                            shard_label(options_.shard))),
      messages_out_(metrics.counter("millrace_peer_messages_total",
                                    "Messages of consensus to other nodes.",
                                    shard_label(options_.shard))),
      messages_lost_(metrics.counter("millrace_peer_messages_lost_total",
                                     "Messages of consensus for which there was no link, or no "
                                     "room on it; what is still of use is sent again.",
                                     shard_label(options_.shard))),
      compression_(options_.codec, metrics, options_.shard) {
    set_nodes(options_.nodes);
}

PeerMesh::~PeerMesh() {
    *is_alive_ = false;
}

std::string PeerMesh::name() const {
    return "peers of shard " + std::to_string(options_.shard.value);
}

PeerHello PeerMesh::own_hello() const {
    return {.node = options_.self,
            .shard = options_.shard.value,
            .shard_count = options_.shard_count,
            .cluster_id = handlers_.cluster_id(),
            .founders = options_.founders,
            .is_new = handlers_.is_new(),
            .is_copying = false,
            .native = addresses_.native,
            .http = addresses_.http,
            .labels = options_.labels};
}

Result<void> PeerMesh::start(NodeAddresses addresses, Handlers handlers) {
    addresses_ = std::move(addresses);
    handlers_ = std::move(handlers);
    MILLRACE_TRY(runtime_.listen_apart(options_.nodes.at(options_.self),
                                       options_.nodes.size() * connections_per_node,
                                       [this](std::shared_ptr<Connection> connection) {
                                           return add(std::move(connection), std::nullopt);
                                       }));
    has_started_ = true;
    for (const auto& [node, peer] : peers_) {
        dial(node);
    }
    return ok();
}

void PeerMesh::set_nodes(const std::map<NodeId, Endpoint>& nodes) {
    for (auto peer = peers_.begin(); peer != peers_.end();) {
        const auto node = peer->first;
        auto* const link = peer->second.link;
        peer = nodes.contains(node) ? std::next(peer) : peers_.erase(peer);
        if (link != nullptr && !nodes.contains(node)) {
            linked_.add(-1);
            // It may have the lowest number, and so connect to nobody who would tell it.
            link->refuse(fail(Errc::configuration, no_member(node)));
        }
    }
    for (const auto& [node, endpoint] : nodes) {
        if (node == options_.self) {
            continue;
        }
        const auto [peer, is_new] = peers_.try_emplace(node);
        if (is_new) {
            peer->second.unlinked_since = runtime_.clock().steady_now();
        }
        peer->second.endpoint = endpoint;
        dial(node);
    }
}

PeerLink* PeerMesh::add(std::shared_ptr<Connection> connection, std::optional<NodeId> dialled) {
    auto link = std::make_unique<PeerLink>(
        runtime_,
        std::move(connection),
        own_hello(),
        compression_,
        PeerLink::Handlers{
            .on_hello = [this](PeerLink& from,
                               const PeerHello& hello) { return take(from, hello); },
            .on_frame = [this](PeerLink& from,
                               const wire::FrameView& frame) { handle(from, frame); },
            .on_closed =
                [this, dialled](PeerLink& from, const Error& reason) {
                    if (dialled) {
                        dial_later(*dialled);
                    }
                    forget(from, dialled, reason);  // and with it what is captured here
                }});
    auto* const made = link.get();
    links_.emplace(made, std::move(link));
    return made;
}

/// Of two nodes the one with the higher number connects.
void PeerMesh::dial(NodeId node) {
    const auto found = peers_.find(node);
    if (!has_started_ || node > options_.self || found == peers_.end() ||
        found->second.link != nullptr || std::exchange(found->second.is_dialled, true)) {
        return;
    }
    runtime_.connect(found->second.endpoint,
                     dial_timeout,
                     [this, node, alive = is_alive_](
                         Result<std::shared_ptr<Connection>> connection) -> ConnectionEvents* {
                         if (!*alive) {
                             return nullptr;
                         }
                         if (!connection) {
                             dial_later(node);
                             return nullptr;
                         }
                         return add(std::move(connection).value(), node);
                     });
}

void PeerMesh::dial_later(NodeId node) {
    runtime_.run_after(dial_rest, [this, node, alive = is_alive_] {
        if (!*alive) {
            return;
        }
        if (const auto found = peers_.find(node); found != peers_.end()) {
            found->second.is_dialled = false;
            dial(node);
        }
    });
}

std::string PeerMesh::no_member(NodeId node) const {
    return "node " + std::to_string(node.value) + " is no member of the cluster, says node " +
           std::to_string(options_.self.value);
}

Result<void> PeerMesh::check(const PeerHello& hello) const {
    if (!peers_.contains(hello.node)) {
        return fail(Errc::configuration, no_member(hello.node));
    }
    if (hello.shard != options_.shard.value || hello.shard_count != options_.shard_count) {
        return fail(Errc::configuration,
                    "nodes of a cluster have the same number of shards: node " +
                        std::to_string(hello.node.value) + " has " +
                        std::to_string(hello.shard_count) + ", node " +
                        std::to_string(options_.self.value) + " has " +
                        std::to_string(options_.shard_count));
    }
    const auto own_cluster = handlers_.cluster_id();
    if (!hello.cluster_id.empty() && !own_cluster.empty() && hello.cluster_id != own_cluster) {
        return fail(Errc::configuration,
                    "node " + std::to_string(hello.node.value) + " belongs to another cluster");
    }
    if (hello.is_new && !hello.is_copying && handlers_.is_new() &&
        hello.founders != options_.founders) {
        return fail(Errc::configuration,
                    "cluster_nodes must name the same nodes everywhere to found a cluster: node " +
                        std::to_string(hello.node.value) + " names " + list(hello.founders) +
                        ", node " + std::to_string(options_.self.value) + " names " +
                        list(options_.founders));
    }
    return ok();
}

/// Two processes that both say they are one node would vote twice. A node that was started again
/// may come before the end of its old link was noticed; who is heard of, or comes back after
/// another took its place, is no old link.
Result<void> PeerMesh::check_process(const PeerHello& hello) const {
    const auto& peer = peers_.at(hello.node);
    if (peer.link == nullptr || hello.process == 0 ||
        peer.link->hello()->process == hello.process) {
        return ok();
    }
    const bool is_heard = runtime_.clock().steady_now() - peer.link->heard() < silence_of_the_dead;
    if (is_heard || hello.process == peer.replaced) {
        return fail(Errc::conflict,
                    "two processes say that they are node " + std::to_string(hello.node.value) +
                        ": node " + std::to_string(options_.self.value) +
                        " is linked to the one at " + peer.link->address() +
                        " and refuses the other; give each node a number of its own");
    }
    return ok();
}

Result<void> PeerMesh::take(PeerLink& link, const PeerHello& hello) {
    MILLRACE_TRY(check(hello));
    MILLRACE_TRY(check_process(hello));
    if (hello.is_copying) {
        return ok();
    }
    auto& peer = peers_.at(hello.node);
    if (peer.link != nullptr) {
        const auto before = peer.link->hello()->process;
        peer.replaced = before == hello.process ? peer.replaced : before;
        peer.link->close(fail(Errc::connection_lost, "another link took its place"));
    } else {
        linked_.add(1);
    }
    peer.link = &link;
    peer.is_new = hello.is_new;
    peer.addresses = {.native = hello.native, .http = hello.http};
    peer.labels = hello.labels;
    log_info(name(), "linked to node " + std::to_string(hello.node.value));
    handlers_.on_links();
    return ok();
}

void PeerMesh::forget(PeerLink& link, std::optional<NodeId> dialled, const Error& reason) {
    const auto found =
        std::ranges::find_if(peers_, [&link](const auto& row) { return row.second.link == &link; });
    if (found != peers_.end()) {
        found->second.link = nullptr;
        found->second.unlinked_since = runtime_.clock().steady_now();
        linked_.add(-1);
        log_info(
            name(),
            "the link to node " + std::to_string(found->first.value) + " ended: " + reason.text);
    } else if (!link.hello() || !link.hello()->is_copying) {
        complain(link, dialled, reason);
    }
    links_.erase(&link);
    handlers_.on_links();
}

/// It is tried again and again, and of those who connect the port is another one each time.
void PeerMesh::complain(const PeerLink& link, std::optional<NodeId> dialled, const Error& reason) {
    const auto& address = link.address();
    const auto node = dialled        ? dialled
                      : link.hello() ? std::optional(link.hello()->node)
                                     : std::nullopt;
    const auto who = node ? "node " + std::to_string(node->value) + " at " + address : address;
    const auto known = node ? std::to_string(node->value) : address.substr(0, address.rfind(':'));
    if (complaints_.is_due(known + " " + reason.text, runtime_.clock().steady_now())) {
        log_warning(name(), who + ": " + reason.text);
    }
}

bool PeerMesh::send(NodeId to, GroupId group, std::vector<std::byte> message) {
    const auto found = peers_.find(to);
    auto* const link = found == peers_.end() ? nullptr : found->second.link;
    if (link == nullptr || link->unsent_bytes() > options_.unsent_bytes_max) {
        messages_lost_.add();
        return false;
    }
    messages_out_.add();
    link->send_bytes(PeerApi::message, static_cast<std::uint32_t>(group.value), message);
    return true;
}

void PeerMesh::handle(PeerLink& link, const wire::FrameView& frame) {
    switch (static_cast<PeerApi>(frame.header.api)) {
        case PeerApi::message:
            handlers_.on_message(link.hello()->node, GroupId{frame.header.correlation}, frame.raw);
            return;
        case PeerApi::list:
            answer_list(link, frame.header.correlation);
            return;
        case PeerApi::read:
            answer_read(link, frame);
            return;
        case PeerApi::entry:
            answer_entry(link, frame);
            return;
        case PeerApi::doubt:
            take_doubt(link, frame);
            return;
        default:
            link.close(fail(Errc::unknown_api,
                            "api " + std::to_string(frame.header.api) + " between nodes"));
    }
}

void PeerMesh::answer_list(PeerLink& link, std::uint32_t correlation) {
    handlers_.list(
        link.hello()->is_new,
        [this, to = &link, correlation, alive = is_alive_](const Result<ShardListing>& listing) {
            if (*alive && links_.contains(to)) {
                to->send(listing ? format_listing(correlation, listing.value())
                                 : format_refusal(correlation, listing.error()));
            }
        });
}

void PeerMesh::answer_read(PeerLink& link, const wire::FrameView& frame) {
    const auto correlation = frame.header.correlation;
    const auto read = parse_read_request(frame.raw);
    if (!read) {
        link.send(format_refusal(correlation, read.error()));
        return;
    }
    handlers_.read(read.value(), answer_with(link, PeerApi::read, correlation));
}

void PeerMesh::answer_entry(PeerLink& link, const wire::FrameView& frame) {
    const auto correlation = frame.header.correlation;
    const auto request = parse_entry_request(frame.raw);
    if (!request) {
        link.send(format_refusal(correlation, request.error()));
        return;
    }
    handlers_.find_entry(request.value(), answer_with(link, PeerApi::entry, correlation));
}

storage::SegmentReadDone PeerMesh::answer_with(PeerLink& link,
                                               PeerApi api,
                                               std::uint32_t correlation) {
    return [this, to = &link, api, correlation, alive = is_alive_](
               const Result<std::vector<std::byte>>& bytes) {
        if (!*alive || !links_.contains(to)) {
            return;
        }
        if (bytes) {
            to->send_bytes(api, correlation, bytes.value());
        } else {
            to->send(format_refusal(correlation, bytes.error()));
        }
    };
}

void PeerMesh::take_doubt(PeerLink& link, const wire::FrameView& frame) const {
    if (const auto doubted = parse_doubt(frame.raw)) {
        handlers_.on_doubt(doubted.value());
    } else {
        link.close(doubted.error());
    }
}

bool PeerMesh::are_all_new() const {
    return std::ranges::all_of(
        peers_, [](const auto& row) { return row.second.link != nullptr && row.second.is_new; });
}

bool PeerMesh::has_elder() const {
    return std::ranges::any_of(
        peers_, [](const auto& row) { return row.second.link != nullptr && !row.second.is_new; });
}

PeerState PeerMesh::own() const {
    return {.node = options_.self,
            .address = format_endpoint(options_.nodes.at(options_.self)),
            .is_linked = true,
            .native = addresses_.native,
            .http = addresses_.http,
            .labels = options_.labels};
}

std::vector<PeerState> PeerMesh::peers() const {
    std::vector<PeerState> states;
    const auto now = runtime_.clock().steady_now();
    for (const auto& [node, peer] : peers_) {
        states.push_back(
            {.node = node,
             .address = format_endpoint(peer.endpoint),
             .is_linked = peer.link != nullptr,
             .is_new = peer.is_new,
             .native = peer.addresses.native,
             .http = peer.addresses.http,
             .labels = peer.labels,
             .unlinked_for = peer.link != nullptr ? Duration(0) : now - peer.unlinked_since});
    }
    return states;
}

}  // namespace millrace::broker::peers
