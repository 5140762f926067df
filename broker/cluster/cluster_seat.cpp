#include "broker/cluster/cluster_seat.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "storage/base/logging.hpp"

namespace millrace::broker::cluster {
namespace {

/// Between tries to hand a group to the node that leads the first one.
constexpr std::chrono::milliseconds look_interval{200};
/// Without a leader of the first group: longer than an election takes.
constexpr int looks_without_leader_max = 5;
/// The same while all are handed over, with publishes held.
constexpr std::chrono::milliseconds handover_interval{20};
/// One that takes longer is not well: this node leads on.
constexpr std::chrono::seconds handover_time_max{3};

Error say_who_leads(NodeId self, NodeId leader, const std::string& where) {
    const auto name = "node " + std::to_string(self.value);
    if (leader == self) {
        return fail(Errc::not_leader, name + " was elected and does not serve yet");
    }
    return fail(
        Errc::not_leader,
        name + " follows; " +
            (leader.value == 0 ? "no node leads now"
                               : "node " + std::to_string(leader.value) + " leads" + where));
}

}  // namespace

struct ClusterSeat::Impl {
    explicit Impl(boost::asio::io_context& context) : control(context), timer(context) {}
    boost::asio::io_context& control;
    boost::asio::steady_timer timer;
};

ClusterSeat::ClusterSeat(boost::asio::io_context& control, NodeId self)
    : impl_(std::make_shared<Impl>(control)), self_(self) {}

ClusterSeat::~ClusterSeat() = default;

void ClusterSeat::watch(std::vector<ReplicaLink> shards,
                        const std::vector<DamagedShard>& damaged,
                        Events events) {
    shards_ = std::move(shards);
    events_ = std::move(events);
    standings_.resize(shards_.size());
    for (const auto& one : damaged) {
        const auto& link = shards_[one.shard.value];
        auto& standing = standings_[one.shard.value];
        standing.is_damaged = true;
        standing.damaged_segments = one.segments;
        link.runtime->post_from_outside(
            [link, segments = one.segments] { link.shard->note_damaged(segments); });
    }
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        watch_one(i);
    }
    look_again();
}

void ClusterSeat::watch_one(std::size_t index) {
    const auto hear = [this, index, weak = std::weak_ptr(impl_)](
                          ShardStanding standing, std::vector<peers::PeerState> peers) {
        if (!weak.expired()) {
            report(index, std::move(standing), std::move(peers));
        }
    };
    const auto link = shards_[index];
    const auto tell = [hear, link, weak = std::weak_ptr(impl_)] {
        const auto impl = weak.lock();
        if (!impl) {
            return;
        }
        boost::asio::post(impl->control,
                          [hear, standing = link.shard->standing(), peers = link.replica->peers()] {
                              hear(standing, peers);
                          });
    };
    link.runtime->post_from_outside([link, tell] {
        link.shard->on_standing(tell);
        link.replica->on_links(tell);
        tell();
    });
}

peers::PeerState ClusterSeat::leader() const {
    const std::lock_guard lock(leader_mutex_);
    return leader_;
}

Error ClusterSeat::refusal() const {
    const auto there = leader();
    return say_who_leads(self_, there.node, there.native.empty() ? "" : " at " + there.native);
}

Error ClusterSeat::http_refusal() const {
    const auto there = leader();
    return say_who_leads(self_, there.node, there.http.empty() ? "" : " at http://" + there.http);
}

std::vector<std::string> ClusterSeat::natives() const {
    const std::lock_guard lock(leader_mutex_);
    std::vector<std::string> natives;
    for (const auto& peer : peers_) {
        if (!peer.native.empty()) {
            natives.push_back(peer.native);
        }
    }
    std::stable_partition(natives.begin(), natives.end(), [this](const std::string& native) {
        return native == leader_.native;
    });
    return natives;
}

void ClusterSeat::stop() {
    is_stopped_ = true;
    impl_->timer.cancel();
}

void ClusterSeat::report(std::size_t shard,
                         ShardStanding standing,
                         std::vector<peers::PeerState> peers) {
    standings_[shard] = std::move(standing);
    if (shard == 0) {
        const std::lock_guard lock(leader_mutex_);
        peers_ = std::move(peers);
    }
    look();
}

void ClusterSeat::note_leader(NodeId leader) {
    const auto found = std::ranges::find(peers_, leader, &peers::PeerState::node);
    auto known = found == peers_.end() ? peers::PeerState{.node = leader} : *found;
    const std::lock_guard lock(leader_mutex_);
    if (leader_.node != leader) {
        log_info("cluster",
                 leader.value == 0 ? "no node leads"
                                   : "node " + std::to_string(leader.value) + " leads");
    }
    leader_ = std::move(known);
}

void ClusterSeat::look() {
    if (is_stopped_) {
        return;
    }
    note_leader(standings_.front().leader);
    const bool leads = std::ranges::all_of(standings_, &ShardStanding::leads);
    if (std::ranges::any_of(standings_, &ShardStanding::has_failed)) {
        end_handover(fail(Errc::shard_failed, "a shard of this node has failed"));
        if (!std::exchange(is_stopped_, true)) {
            events_.on_lost();
        }
        return;
    }
    if (handover_) {
        if (std::ranges::any_of(standings_, &ShardStanding::leads_some)) {
            return;  // begun anew now, the rest would wait for an election
        }
        end_handover(ok());
        if (is_stopped_) {
            return;
        }
    }
    // libraft names no leader while it hands the lead over, which may fail.
    const bool leads_still = std::ranges::all_of(standings_, &ShardStanding::leads_all);
    if (leads && !std::exchange(leads_, true)) {
        events_.on_lead();
    } else if (!leads_still && std::exchange(leads_, false)) {
        is_stopped_ = true;
        events_.on_lost();
    }
}

void ClusterSeat::hand_over(NodeId to, std::function<void(Result<void>)> done) {
    if (is_stopped_ || !leads_) {
        done(fail(Errc::not_leader, "this node does not lead"));
        return;
    }
    if (handover_ && handover_->to != to) {
        done(fail(Errc::conflict,
                  "the lead is on its way to node " + std::to_string(handover_->to.value)));
        return;
    }
    if (handover_) {
        handover_->done.push_back(std::move(done));
        return;
    }
    log_info("cluster", "hands the lead to node " + std::to_string(to.value));
    handover_ = Handover{.to = to,
                         .deadline = std::chrono::steady_clock::now() + handover_time_max,
                         .done = {std::move(done)}};
    look_again();
}

void ClusterSeat::look_at_handover() {
    if (!handover_ || std::chrono::steady_clock::now() < handover_->deadline) {
        return;
    }
    end_handover(fail(Errc::timed_out,
                      "node " + std::to_string(handover_->to.value) + " did not take over within " +
                          std::to_string(handover_time_max.count()) + " s"));
    look();  // some groups may have gone
}

void ClusterSeat::end_handover(const Result<void>& outcome) {
    if (const auto ended = std::exchange(handover_, std::nullopt)) {
        for (const auto& done : ended->done) {
            done(outcome);
        }
    }
}

void ClusterSeat::give_way(NodeId leader) {
    if (!is_stopped_ && leader.value != 0 && leader != self_) {
        transfer_all(leader);
    }
}

void ClusterSeat::make_way(NodeId leader) {
    if (!is_stopped_) {
        tell_leading(&Replica::make_way, leader);
    }
}

void ClusterSeat::transfer_all(NodeId to) {
    tell_leading(&Replica::give_lead, to);
}

void ClusterSeat::tell_leading(void (Replica::*what)(NodeId), NodeId node) {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        if (standings_[i].leads_some) {
            shards_[i].runtime->post_from_outside(std::bind_front(what, shards_[i].replica, node));
        }
    }
}

/// This node may have been taken out of the first group, and not know it: whoever leads that one
/// has to lead the others, too.
void ClusterSeat::give_up_the_rest() {
    const auto& first = standings_.front();
    const bool is_handing_over = handover_ || first.leads_all;  // there is no leader meanwhile
    looks_without_leader_ =
        first.leader.value == 0 && !is_handing_over ? looks_without_leader_ + 1 : 0;
    if (looks_without_leader_ >= looks_without_leader_max) {
        transfer_all(NodeId{});
    }
}

std::vector<DamagedShard> ClusterSeat::damaged() const {
    std::vector<DamagedShard> found;
    for (std::size_t i = 0; i < standings_.size(); ++i) {
        if (standings_[i].is_damaged) {
            found.push_back({.shard = ShardId{static_cast<std::uint32_t>(i)},
                             .segments = standings_[i].damaged_segments});
        }
    }
    return found;
}

void ClusterSeat::look_at_damaged() {
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        const auto& standing = standings_[i];
        if (standing.is_damaged && standing.leads_some) {
            shards_[i].runtime->post_from_outside(
                [shard = shards_[i].shard] { (void)shard->hand_over(NodeId{}); });
        } else if (standing.is_damaged && standing.leader.value != 0 && standing.leader != self_) {
            events_.on_damaged(*shards_[i].shard);
        }
    }
}

void ClusterSeat::look_again() {
    look_at_handover();
    give_up_the_rest();
    give_way(handover_ ? handover_->to : standings_.front().leader);
    look_at_damaged();
    impl_->timer.expires_after(handover_ ? handover_interval : look_interval);
    impl_->timer.async_wait([this, weak = std::weak_ptr(impl_)](const auto& error) {
        if (!error && !weak.expired() && !is_stopped_) {
            look_again();
        }
    });
}

}  // namespace millrace::broker::cluster
