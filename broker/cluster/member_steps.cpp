#include "broker/cluster/member_steps.hpp"

#include <algorithm>
#include <string>

namespace millrace::broker::cluster {
namespace {

using consensus::Member;
using consensus::MemberChange;
using consensus::MemberRole;

/// A standby that lacks more than this many entries would hold up a majority that needs it.
constexpr std::uint64_t entries_left_max = 1'000;

bool has_nearly_all(const consensus::GroupStatus& group, NodeId node) {
    const auto found = std::ranges::find(group.replicas, node, &consensus::ReplicaProgress::node);
    return found != group.replicas.end() && !found->is_behind && found->match.value > 0 &&
           found->match.value + entries_left_max >= group.last.value;
}

std::set<NodeId> voters_of(const std::vector<Member>& members) {
    std::set<NodeId> voters;
    for (const auto& member : members) {
        if (member.role == MemberRole::voter) {
            voters.insert(member.node);
        }
    }
    return voters;
}

/// One step at most of a group towards the members that are wanted.
struct Step {
    const consensus::GroupStatus& group;
    NodeId self;
    const std::vector<Member>& wanted;
    const Heard& heard;

    /// It would help a majority at once.
    [[nodiscard]] bool is_there(NodeId node) const {
        return node == self || (heard.linked.contains(node) && has_nearly_all(group, node));
    }

    [[nodiscard]] std::optional<MemberChange> leave_or_join() const {
        for (const auto& member : group.members) {
            if (find_member(wanted, member.node) == nullptr && member.node != self) {
                return MemberChange{.node = member.node, .role = {}};
            }
        }
        for (const auto& member : wanted) {
            if (find_member(group.members, member.node) == nullptr) {
                return MemberChange{
                    .node = member.node, .role = MemberRole::spare, .address = member.address};
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] std::optional<MemberChange> fill() const {
        for (const auto& member : group.members) {
            if (member.role == MemberRole::spare && heard.filled.contains(member.node)) {
                return MemberChange{.node = member.node, .role = MemberRole::standby};
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] std::optional<MemberChange> promote() const {
        for (const auto& member : group.members) {
            if (member.role == MemberRole::standby && is_voter(wanted, member.node) &&
                is_there(member.node)) {
                return MemberChange{.node = member.node, .role = MemberRole::voter};
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] bool may_demote(NodeId node, std::set<NodeId> voters) const {
        voters.erase(node);
        const auto there = static_cast<std::size_t>(
            std::ranges::count_if(voters, [this](NodeId voter) { return is_there(voter); }));
        return there * 2 > voters.size() && (!is_there(node) || there == voters.size());
    }

    /// Those that are away first, then the highest number.
    [[nodiscard]] std::optional<MemberChange> demote(const std::set<NodeId>& voters) const {
        std::optional<NodeId> chosen;
        for (const auto node : voters) {
            const bool is_free =
                node != self && !is_voter(wanted, node) && may_demote(node, voters);
            if (is_free && (!chosen || !is_there(node) || is_there(*chosen))) {
                chosen = node;
            }
        }
        return chosen ? std::optional(MemberChange{.node = *chosen, .role = MemberRole::standby})
                      : std::nullopt;
    }
};

}  // namespace

std::optional<MemberChange> next_member_change(const consensus::GroupStatus& group,
                                               NodeId self,
                                               const std::vector<Member>& wanted,
                                               const Heard& heard) {
    const Step step{.group = group, .self = self, .wanted = wanted, .heard = heard};
    if (auto change = step.leave_or_join()) {
        return change;
    }
    if (auto change = step.fill()) {
        return change;
    }
    const auto voters = voters_of(group.members);
    return voters.size() > voters_of(wanted).size() ? step.demote(voters) : step.promote();
}

std::optional<MemberChange> step_to_lead(const consensus::GroupStatus& group,
                                         NodeId self,
                                         NodeId to,
                                         const Heard& heard) {
    auto wanted = group.members;
    const auto found = std::ranges::find(wanted, to, &Member::node);
    if (found == wanted.end() || found->role == MemberRole::voter) {
        return std::nullopt;
    }
    if (found->role == MemberRole::spare) {
        return heard.filled.contains(to)
                   ? std::optional(MemberChange{.node = to, .role = MemberRole::standby})
                   : std::nullopt;
    }
    found->role = MemberRole::voter;
    return Step{.group = group, .self = self, .wanted = wanted, .heard = heard}.promote();
}

Result<void> check_removal(const std::vector<Member>& members,
                           NodeId self,
                           NodeId gone,
                           const std::set<NodeId>& linked) {
    if (find_member(members, gone) == nullptr) {
        return fail(Errc::conflict, "node " + std::to_string(gone.value) + " is no member");
    }
    std::size_t left = 0;
    std::size_t there = 0;
    std::string silent;
    for (const auto& member : members) {
        if (member.role != MemberRole::voter || member.node == gone) {
            continue;
        }
        ++left;
        if (member.node == self || linked.contains(member.node)) {
            ++there;
        } else {
            silent += (silent.empty() ? "" : ", ") + std::to_string(member.node.value);
        }
    }
    if (left == 0) {
        return fail(Errc::conflict,
                    "node " + std::to_string(gone.value) + " is the only one that votes");
    }
    if (there * 2 <= left) {
        return fail(Errc::conflict,
                    "without node " + std::to_string(gone.value) + " no majority could be heard: " +
                        silent + " is away; remove that one first, or bring it back");
    }
    return ok();
}

Result<void> check_drain(const consensus::GroupStatus& group,
                         NodeId node,
                         const std::set<NodeId>& drained) {
    const auto name = "node " + std::to_string(node.value);
    if (!group.role.leads) {
        return fail(Errc::not_leader, "this node does not lead");
    }
    if (find_member(group.members, node) == nullptr) {
        return fail(Errc::conflict, name + " is no member");
    }
    const bool leaves_one = std::ranges::any_of(group.members, [&](const Member& member) {
        return member.node != node && !drained.contains(member.node);
    });
    if (!leaves_one) {
        return fail(Errc::conflict, "all others are drained: " + name + " has to be able to lead");
    }
    return ok();
}

}  // namespace millrace::broker::cluster
