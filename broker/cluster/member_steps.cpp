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

bool has(const std::vector<Member>& members, NodeId node) {
    return std::ranges::find(members, node, &Member::node) != members.end();
}

bool has_nearly_all(const consensus::GroupStatus& group, NodeId node) {
    const auto found = std::ranges::find(group.replicas, node, &consensus::ReplicaProgress::node);
    return found != group.replicas.end() && !found->is_behind && found->match.value > 0 &&
           found->match.value + entries_left_max >= group.last.value;
}

}  // namespace

std::optional<MemberChange> next_member_change(const consensus::GroupStatus& group,
                                               NodeId self,
                                               const std::vector<Member>& wanted,
                                               const Heard& heard) {
    for (const auto& member : group.members) {
        if (!has(wanted, member.node) && member.node != self) {
            return MemberChange{.node = member.node, .role = {}};
        }
    }
    for (const auto& member : wanted) {
        if (!has(group.members, member.node)) {
            return MemberChange{
                .node = member.node, .role = MemberRole::spare, .address = member.address};
        }
    }
    for (const auto& member : group.members) {
        if (member.role == MemberRole::spare && heard.filled.contains(member.node)) {
            return MemberChange{.node = member.node, .role = MemberRole::standby};
        }
        if (member.role == MemberRole::standby && heard.linked.contains(member.node) &&
            has_nearly_all(group, member.node)) {
            return MemberChange{.node = member.node, .role = MemberRole::voter};
        }
    }
    return std::nullopt;
}

Result<void> check_removal(const std::vector<Member>& members,
                           NodeId self,
                           NodeId gone,
                           const std::set<NodeId>& linked) {
    if (!has(members, gone)) {
        return fail(Errc::conflict, "node " + std::to_string(gone.value) + " is no member");
    }
    if (gone == self) {
        return fail(
            Errc::conflict,
            "node " + std::to_string(gone.value) + " leads; another has to lead before it can go");
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
    if (there * 2 <= left) {
        return fail(Errc::conflict,
                    "without node " + std::to_string(gone.value) + " no majority could be heard: " +
                        silent + " is away; remove that one first, or bring it back");
    }
    return ok();
}

}  // namespace millrace::broker::cluster
