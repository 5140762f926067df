#include "broker/cluster/cluster_seat.hpp"

#include <algorithm>
#include <chrono>
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

}  // namespace

struct ClusterSeat::Impl {
    explicit Impl(boost::asio::io_context& context) : control(context), timer(context) {}
    boost::asio::io_context& control;
    boost::asio::steady_timer timer;
};

ClusterSeat::ClusterSeat(boost::asio::io_context& control, NodeId self)
    : impl_(std::make_shared<Impl>(control)), self_(self) {}

ClusterSeat::~ClusterSeat() = default;

void ClusterSeat::watch(std::vector<Link> shards, Events events) {
    shards_ = std::move(shards);
    events_ = std::move(events);
    standings_.resize(shards_.size());
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        watch_one(i);
    }
    look_again();
}

void ClusterSeat::watch_one(std::size_t index) {
    const auto hear = [this, index, weak = std::weak_ptr(impl_)](ShardStanding standing) {
        if (!weak.expired()) {
            report(index, standing);
        }
    };
    const auto shard = shards_[index].shard;
    const auto tell = [hear, shard, weak = std::weak_ptr(impl_)] {
        const auto impl = weak.lock();
        if (!impl) {
            return;
        }
        boost::asio::post(impl->control, [hear, standing = shard->standing()] { hear(standing); });
    };
    shards_[index].runtime->post_from_outside([shard, tell] {
        shard->on_standing(tell);
        tell();
    });
}

void ClusterSeat::stop() {
    is_stopped_ = true;
    impl_->timer.cancel();
}

void ClusterSeat::report(std::size_t shard, ShardStanding standing) {
    standings_[shard] = standing;
    look();
}

void ClusterSeat::look() {
    if (is_stopped_) {
        return;
    }
    const auto leader = standings_.front().leader;
    if (leader_.exchange(leader.value) != leader.value) {
        log_info("cluster",
                 leader.value == 0 ? "no node leads"
                                   : "node " + std::to_string(leader.value) + " leads");
    }
    const bool leads = std::ranges::all_of(standings_, &ShardStanding::leads);
    if (std::ranges::any_of(standings_, &ShardStanding::has_failed)) {
        is_stopped_ = true;
        events_.on_lost();
        return;
    }
    if (leads && !std::exchange(leads_, leads)) {
        events_.on_lead();
    } else if (!leads && std::exchange(leads_, leads)) {
        is_stopped_ = true;
        events_.on_lost();
    }
}

void ClusterSeat::give_way(NodeId leader) {
    if (is_stopped_ || leader.value == 0 || leader == self_) {
        return;
    }
    for (std::size_t i = 0; i < shards_.size(); ++i) {
        if (!standings_[i].leads_some) {
            continue;
        }
        shards_[i].runtime->post_from_outside(
            [shard = shards_[i].shard, leader] { shard->transfer(leader); });
    }
}

/// This node may have been taken out of the first group, and not know it: whoever leads that one
/// has to lead the others, too.
void ClusterSeat::give_up_the_rest() {
    looks_without_leader_ = standings_.front().leader.value == 0 ? looks_without_leader_ + 1 : 0;
    for (std::size_t i = 0; looks_without_leader_ >= looks_without_leader_max && i < shards_.size();
         ++i) {
        if (standings_[i].leads_some) {
            shards_[i].runtime->post_from_outside(
                [shard = shards_[i].shard] { shard->transfer(NodeId{}); });
        }
    }
}

void ClusterSeat::look_again() {
    give_up_the_rest();
    give_way(standings_.front().leader);
    impl_->timer.expires_after(look_interval);
    impl_->timer.async_wait([this, weak = std::weak_ptr(impl_)](const auto& error) {
        if (!error && !weak.expired() && !is_stopped_) {
            look_again();
        }
    });
}

}  // namespace millrace::broker::cluster
