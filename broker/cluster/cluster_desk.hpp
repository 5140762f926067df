#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/cluster/cluster_report.hpp"
#include "broker/cluster/cluster_seat.hpp"
#include "broker/cluster/cluster_status.hpp"
#include "broker/cluster/member_keeper.hpp"

namespace millrace::broker::cluster {

/// What a node answers about its cluster, and does for it when it is told to.
///
/// Threads:  any, where nothing else is said; what is asked is answered on the control thread, or
/// never where the node ends before.
class ClusterDesk {
  public:
    /// `seat`, `keeper`: null in a node that stands alone; outlive the desk.
    ClusterDesk(boost::asio::io_context& control,
                ClusterStatus status,
                ClusterSeat* seat,
                MemberKeeper* keeper)
        : control_(control), status_(std::move(status)), seat_(seat), keeper_(keeper) {}
    /// Nothing is answered any more. Before the shards end. Threads:  the control thread.
    void close() { is_open_ = false; }

    void report(std::function<void(ClusterReport report)> done) const;
    /// As /v1/cluster shows it.
    void report_json(std::function<void(std::string json)> done) const;
    /// Hands the lead to `to`. Errors: conflict in a node that stands alone, and those of
    /// `check_successor` and ClusterSeat::hand_over.
    void transfer(NodeId to, std::function<void(Result<void>)> done) const;
    /// Lets a node join, or takes one out. Errors: conflict in a node that stands alone, and those
    /// of MemberKeeper.
    void add(NodeId node, std::string address, std::function<void(Result<void>)> done) const;
    void remove(NodeId node, std::function<void(Result<void>)> done) const;
    /// Says whether a node is to lead, and to vote where others can. Errors: as `add`.
    void drain(NodeId node, bool drained, std::function<void(Result<void>)> done) const;
    /// Hands the lead to a node that may have it, where there is one: this one is drained. Threads:
    /// the control thread.
    void give_lead_away() const;
    /// Hands the lead to whoever can take it, before this node ends. Errors: as `transfer`;
    /// unavailable where nobody can. Threads:  the control thread.
    void leave_lead(std::function<void(Result<void>)> done) const;

  private:
    /// On the control thread, while there is one to ask.
    void ask_keeper(std::function<void(MemberKeeper&, MemberKeeper::Done)> what,
                    std::function<void(Result<void>)> done) const;

    boost::asio::io_context& control_;
    ClusterStatus status_;
    ClusterSeat* seat_;
    MemberKeeper* keeper_;
    bool is_open_ = true;
};

}  // namespace millrace::broker::cluster
