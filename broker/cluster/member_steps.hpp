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

/// What the leader of a group does next so that those who are `wanted` become its voters, and
/// nobody else is one; nothing where that is so, or has to wait.
///
/// A node becomes a spare at once, so that it may copy; a standby, which is sent the log, when it
/// has; and a voter, which counts, when little is left to send.
[[nodiscard]] std::optional<consensus::MemberChange> next_member_change(
    const consensus::GroupStatus& group,
    NodeId self,
    const std::vector<consensus::Member>& wanted,
    const Heard& heard);

/// Whether the voters that remain without `gone` and are linked are still a majority. Errors:
/// conflict, saying who is missing, and for one that is no member or leads.
[[nodiscard]] Result<void> check_removal(const std::vector<consensus::Member>& members,
                                         NodeId self,
                                         NodeId gone,
                                         const std::set<NodeId>& linked);

}  // namespace millrace::broker::cluster
