#pragma once

#include <optional>
#include <set>
#include <vector>

#include "broker/consensus/group.hpp"

namespace millrace::broker::cluster {

/// What a leader knows of the others by its links.
struct Heard {
    std::set<NodeId> linked;
    std::set<NodeId> filled;  ///< of these: those who had something in their log when they linked
};

/// What the leader of a group does next so that those who are `wanted` become its members, as
/// voters or standbys, and nobody else is one; nothing where that is so, or has to wait.
///
/// A node becomes a spare at once, so that it may copy; a standby, which is sent the log, when it
/// has; and a voter, which counts, when little is left to send. A voter becomes a standby only
/// where more vote than are wanted, so that others were made voters before it; while a majority of
/// those that go on to vote is there; and, where it is there itself, while all of them are. The
/// leader goes on to vote.
[[nodiscard]] std::optional<consensus::MemberChange> next_member_change(
    const consensus::GroupStatus& group,
    NodeId self,
    const std::vector<consensus::Member>& wanted,
    const Heard& heard);

/// What the leader of a group does so that the lead can go to `to`: a member that does not vote is
/// made a voter. Nothing where it is one, is no member, or has to wait.
[[nodiscard]] std::optional<consensus::MemberChange> step_to_lead(
    const consensus::GroupStatus& group, NodeId self, NodeId to, const Heard& heard);

/// Whether the voters that remain without `gone` and are linked are still a majority. Errors:
/// conflict, saying who is missing, and for one that is no member, or the only voter.
[[nodiscard]] Result<void> check_removal(const std::vector<consensus::Member>& members,
                                         NodeId self,
                                         NodeId gone,
                                         const std::set<NodeId>& linked);

/// Whether `node` may be drained. Errors: not_leader where this node does not lead the group;
/// conflict for one that is no member, and where every other one is drained: somebody has to lead.
[[nodiscard]] Result<void> check_drain(const consensus::GroupStatus& group,
                                       NodeId node,
                                       const std::set<NodeId>& drained);

}  // namespace millrace::broker::cluster
