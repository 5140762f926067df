#include "broker/cluster/member_keeper.hpp"

#include <chrono>
#include <functional>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace millrace::broker::cluster {
namespace {

constexpr std::chrono::milliseconds converge_interval{300};

}  // namespace

struct MemberKeeper::Impl {
    explicit Impl(boost::asio::io_context& context) : control(context), timer(context) {}
    boost::asio::io_context& control;
    boost::asio::steady_timer timer;
};

MemberKeeper::MemberKeeper(boost::asio::io_context& control,
                           std::vector<ReplicaLink> shards,
                           std::uint32_t shard_count)
    : impl_(std::make_shared<Impl>(control)),
      shards_(std::move(shards)),
      shard_count_(shard_count) {}

MemberKeeper::~MemberKeeper() = default;

void MemberKeeper::start(std::function<void()> on_drained) {
    on_drained_ = std::move(on_drained);
    look();
}

void MemberKeeper::stop() {
    impl_->timer.cancel();
    impl_ = std::make_shared<Impl>(impl_->control);  // nobody holds on to this one
}

void MemberKeeper::look() {
    const auto& first = shards_.front();
    const auto hear = [this, weak = std::weak_ptr(impl_)](const Members& wanted, bool is_drained) {
        // A shard may still hold on to it for a moment after `stop`.
        if (weak.lock() == impl_) {
            converge(wanted, is_drained);
        }
    };
    first.runtime->post_from_outside([hear, replica = first.replica, weak = std::weak_ptr(impl_)] {
        const auto impl = weak.lock();
        if (!impl) {
            return;
        }
        boost::asio::post(impl->control,
                          [hear,
                           wanted = replica->wanted_members(),
                           is_drained = replica->drained().contains(replica->own().node)] {
                              hear(wanted, is_drained);
                          });
    });
}

void MemberKeeper::converge(const Members& wanted, bool is_drained) {
    if (is_drained && !wanted.empty()) {
        on_drained_();
    }
    for (const auto& link : shards_) {
        if (wanted.empty()) {
            break;  // this node leads no more
        }
        link.runtime->post_from_outside(
            [replica = link.replica, wanted] { replica->converge(wanted); });
    }
    impl_->timer.expires_after(converge_interval);
    impl_->timer.async_wait([this, weak = std::weak_ptr(impl_)](const auto& error) {
        if (!error && weak.lock() == impl_) {
            look();
        }
    });
}

void MemberKeeper::ask(std::function<void(Replica&, CommandDone)> what, Done done) const {
    const auto& first = shards_.front();
    const auto tell = [done = std::move(done),
                       weak = std::weak_ptr(impl_)](const Result<void>& outcome) {
        if (!weak.expired()) {
            done(outcome);
        }
    };
    const auto answer = [tell, weak = std::weak_ptr(impl_)](const Result<void>& outcome) {
        if (const auto impl = weak.lock()) {
            boost::asio::post(impl->control, std::bind_front(tell, outcome));
        }
    };
    first.runtime->post_from_outside(
        [replica = first.replica, what = std::move(what), answer] { what(*replica, answer); });
}

void MemberKeeper::add(NodeId node, const std::string& address, Done done) const {
    if (node.value == 0) {
        done(fail(Errc::configuration, "nodes have numbers from 1"));
        return;
    }
    if (const auto endpoint = ClusterNodes::parse_address(address, shard_count_); !endpoint) {
        done(fail(Errc::configuration, "address \"" + address + "\" " + endpoint.error().text));
        return;
    }
    ask([node, address](Replica& replica,
                        CommandDone asked) { replica.add_member(node, address, std::move(asked)); },
        std::move(done));
}

void MemberKeeper::remove(NodeId node, Done done) const {
    ask([node](Replica& replica,
               CommandDone asked) { replica.remove_member(node, std::move(asked)); },
        std::move(done));
}

void MemberKeeper::drain(NodeId node, bool drained, Done done) const {
    ask(
        [node, drained](Replica& replica, CommandDone asked) {
            replica.drain_member(node, drained, std::move(asked));
        },
        std::move(done));
}

}  // namespace millrace::broker::cluster
