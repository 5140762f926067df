#include <algorithm>
#include <utility>

#include "broker/consensus/group_impl.hpp"
#include "broker/consensus/raft_bytes.hpp"

// Who takes part in a group, and how that changes.
namespace millrace::broker::consensus {
namespace {

std::string list(const std::vector<Member>& members) {
    std::string text;
    for (const auto& member : members) {
        text += (text.empty() ? "" : ", ") + std::to_string(member.node.value);
    }
    return text;
}

int raft_role(MemberRole role) {
    return role == MemberRole::voter     ? RAFT_VOTER
           : role == MemberRole::standby ? RAFT_STANDBY
                                         : RAFT_SPARE;
}

}  // namespace

const Member* find_member(const std::vector<Member>& members, NodeId node) {
    const auto found = std::ranges::find(members, node, &Member::node);
    return found == members.end() ? nullptr : &*found;
}

bool is_voter(const std::vector<Member>& members, NodeId node) {
    const auto* const member = find_member(members, node);
    return member != nullptr && member->role == MemberRole::voter;
}

std::vector<Member> Group::members() const {
    auto members = impl_->io.members();
    if (members.empty()) {
        for (const auto& voter : impl_->options.voters) {
            members.push_back({.node = voter.node, .address = voter.address});
        }
    }
    return members;
}

/// Two that take each other for part of what they are not would both lead, and both take records.
Result<void> Group::Impl::check_members() const {
    const auto members = io.members();
    const auto self = "node " + std::to_string(options.self.value);
    const bool is_alone = members.size() == 1 && members.front().node == options.self;
    if (members.empty()) {
        return ok();
    }
    if (!io.is_replicated() && !is_alone) {
        return fail(Errc::configuration,
                    "cluster_nodes: the data directory belongs to " + self +
                        " of a cluster of the nodes " + list(members) +
                        ", and without this setting nobody finds the others");
    }
    // The others may get to know of one that joins after it has copied them.
    const bool is_first = options.group.value == 0;
    if (is_first && find_member(members, options.self) == nullptr) {
        return fail(Errc::configuration,
                    "cluster_nodes: " + self + " is no member of the cluster whose data this is; " +
                        "the nodes " + list(members) +
                        " are. It was removed: to let it join again, begin with an empty data "
                        "directory");
    }
    if (io.is_replicated() && is_alone && options.voters.size() > 1) {
        return fail(Errc::configuration,
                    "cluster_nodes: the data directory belongs to a node that stands alone and "
                    "has data of its own; name it alone, and let the others join it, or found the "
                    "cluster with an empty data directory");
    }
    return ok();
}

void Group::change(const MemberChange& change, std::function<void(Result<void>)> done) {
    auto& self = *impl_;
    if (!self.role().leads) {
        done(fail(Errc::not_leader, "this node does not lead the group"));
        return;
    }
    if (self.member_change_done) {
        done(fail(Errc::conflict, "another change of the members is under way"));
        return;
    }
    self.member_change_done = std::move(done);
    self.member_change.data = &self;
    // One that is to count no more hears of it when others have agreed. If it alone knew, and the
    // leader were gone, it could not be elected, and would elect nobody that knows less.
    self.io.hold_back(change.role == MemberRole::voter ? NodeId{} : change.node);
    if (const auto submitted = self.submit(change); !submitted) {
        self.io.hold_back(NodeId{});
        std::exchange(self.member_change_done, nullptr)(submitted.error());
        return;
    }
    self.look();
}

Result<void> Group::Impl::submit(const MemberChange& change) {
    const auto members = io.members();
    const auto found = std::ranges::find(members, change.node, &Member::node);
    const bool is_member = found != members.end();
    if (change.role ? is_member && found->role == *change.role : !is_member) {
        return fail(Errc::conflict,
                    "node " + std::to_string(change.node.value) + " is that already");
    }
    if (change.node == options.self) {
        // libraft would let it lead on until the change is committed, and nobody after that.
        return fail(Errc::conflict,
                    "the node that leads votes and does not leave; another has to lead first");
    }
    const auto id = change.node.value;
    const raft_change_cb done = [](raft_change* request, int status) {
        static_cast<Impl*>(request->data)->end_change(status);
    };
    const int code = !change.role ? raft_remove(&instance, &member_change, id, done)
                     : is_member
                         ? raft_assign(&instance, &member_change, id, raft_role(*change.role), done)
                         : raft_add(&instance, &member_change, id, change.address.c_str(), done);
    if (code == 0) {
        return ok();
    }
    const bool is_busy = code == RAFT_CANTCHANGE;
    if (!io.failure().empty()) {
        return fail(Errc::shard_failed, io.failure());
    }
    return fail(is_busy ? Errc::conflict : Errc::not_leader, raft_strerror(code));
}

/// A leader that is no more does not know what becomes of the change.
void Group::Impl::end_change(int status) {
    io.hold_back(NodeId{});
    auto done = std::exchange(member_change_done, nullptr);
    if (!done) {
        return;
    }
    if (status == 0) {
        done(ok());
    } else if (status == RAFT_NOCONNECTION) {
        done(fail(Errc::unavailable, "the replica does not catch up"));
    } else {
        done(fail(Errc::not_leader, raft_strerror(status)));
    }
}

}  // namespace millrace::broker::consensus
