#include "broker/cluster/cluster_desk.hpp"

#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace millrace::broker::cluster {
namespace {

/// More than the seat takes.
constexpr std::chrono::seconds leave_time_max{5};

}  // namespace

void ClusterDesk::report(std::function<void(ClusterReport report)> done) const {
    const auto answer = [this, done = std::move(done)](ClusterReport report) {
        if (is_open_) {
            done(std::move(report));
        }
    };
    boost::asio::post(control_, [this, answer] {
        if (is_open_) {
            status_.gather(answer);
        }
    });
}

void ClusterDesk::report_json(std::function<void(std::string json)> done) const {
    report([done = std::move(done)](const ClusterReport& report) { done(format_report(report)); });
}

void ClusterDesk::transfer(NodeId to, std::function<void(Result<void>)> done) const {
    report([this, to, done = std::move(done)](const ClusterReport& report) {
        if (seat_ == nullptr) {
            done(fail(Errc::conflict, "this node stands alone: there is nobody to take its lead"));
            return;
        }
        if (!report.leads) {
            done(fail(Errc::not_leader, "this node does not lead"));
            return;
        }
        if (to == report.self) {
            done(ok());
            return;
        }
        if (auto checked = check_successor(report, to); !checked) {
            done(std::move(checked));
            return;
        }
        seat_->hand_over(to, done);
    });
}

void ClusterDesk::ask_keeper(std::function<void(MemberKeeper&, MemberKeeper::Done)> what,
                             std::function<void(Result<void>)> done) const {
    boost::asio::post(control_, [this, what = std::move(what), done = std::move(done)] {
        if (is_open_ && keeper_ == nullptr) {
            done(fail(Errc::conflict,
                      "this node stands alone: begin with cluster_nodes that names it, and others "
                      "can join"));
        } else if (is_open_) {
            what(*keeper_, done);
        }
    });
}

void ClusterDesk::add(NodeId node,
                      std::string address,
                      std::function<void(Result<void>)> done) const {
    ask_keeper(
        [node, address = std::move(address)](MemberKeeper& keeper, MemberKeeper::Done asked) {
            keeper.add(node, address, std::move(asked));
        },
        std::move(done));
}

void ClusterDesk::remove(NodeId node, std::function<void(Result<void>)> done) const {
    ask_keeper([node](MemberKeeper& keeper,
                      MemberKeeper::Done asked) { keeper.remove(node, std::move(asked)); },
               std::move(done));
}

void ClusterDesk::drain(NodeId node, bool drained, std::function<void(Result<void>)> done) const {
    ask_keeper(
        [node, drained](MemberKeeper& keeper, MemberKeeper::Done asked) {
            keeper.drain(node, drained, std::move(asked));
        },
        std::move(done));
}

void ClusterDesk::give_lead_away() const {
    const auto forget = [](const Result<void>&) {};  // asked again where it fails
    status_.gather([this, forget](const ClusterReport& report) {
        const auto to = best_successor(report);
        if (is_open_ && to && !report.drained.contains(*to)) {
            seat_->hand_over(*to, forget);
        }
    });
}

void ClusterDesk::leave_lead(std::function<void(Result<void>)> done) const {
    const auto timer = std::make_shared<boost::asio::steady_timer>(control_, leave_time_max);
    const auto tell =
        [timer, waiting = std::make_shared<std::function<void(Result<void>)>>(std::move(done))](
            const Result<void>& outcome) {
            timer->cancel();
            if (const auto once = std::exchange(*waiting, nullptr)) {
                once(outcome);
            }
        };
    // A shard that hangs does not hold up a stop.
    timer->async_wait([tell](const boost::system::error_code& error) {
        if (!error) {
            tell(fail(Errc::timed_out, "its shards do not answer"));
        }
    });
    status_.gather([this, tell](const ClusterReport& report) {
        const auto under_way = seat_->successor();
        const auto to = under_way ? under_way : best_successor(report);
        if (!to) {
            tell(fail(Errc::unavailable, "no other node is linked and up to date"));
            return;
        }
        seat_->hand_over(*to, tell);
    });
}

}  // namespace millrace::broker::cluster
