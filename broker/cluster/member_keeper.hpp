#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/cluster/replica.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker::cluster {

/// At the node that leads: gives all groups the members of the first one, and chooses who of them
/// votes. That is all there is to a change of members, so a new leader ends what another began.
/// Where this node is drained it also asks, again and again, that the lead goes elsewhere.
///
/// Threads:  the control thread; answers come there.
class MemberKeeper {
  public:
    /// `shards`: all of the node, in their order; they are open.
    MemberKeeper(boost::asio::io_context& control,
                 std::vector<ReplicaLink> shards,
                 std::uint32_t shard_count);
    MemberKeeper(const MemberKeeper&) = delete;
    MemberKeeper& operator=(const MemberKeeper&) = delete;
    MemberKeeper(MemberKeeper&&) = delete;
    MemberKeeper& operator=(MemberKeeper&&) = delete;
    ~MemberKeeper();

    /// This node leads from now on. `on_drained`: it is not to.
    void start(std::function<void()> on_drained);
    /// Nothing is answered after it. Before the shards end.
    void stop();
    using Done = std::function<void(Result<void>)>;
    /// `address`: where its shard 0 hears the others. Errors: configuration, for an address that is
    /// none; conflict, for a member, or while another change is under way; not_leader.
    void add(NodeId node, const std::string& address, Done done) const;
    /// Of this node: answered when it is kept that it leaves; whoever leads next takes it out.
    /// Errors: conflict where it is no member, or no majority would be left, or this node leaves
    /// and no other could lead; not_leader.
    void remove(NodeId node, Done done) const;
    /// Errors: conflict where it is no member, or no other could lead; not_leader.
    void drain(NodeId node, bool drained, Done done) const;

  private:
    struct Impl;
    using Members = std::vector<consensus::Member>;
    void look();
    void converge(const Members& wanted, bool is_drained);
    void ask(std::function<void(Replica&, CommandDone)> what, Done done) const;

    std::shared_ptr<Impl> impl_;
    std::vector<ReplicaLink> shards_;
    std::uint32_t shard_count_;
    std::function<void()> on_drained_;
};

}  // namespace millrace::broker::cluster
