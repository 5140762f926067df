#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::cluster {

/// What an operator says of who votes; the same on every node, whoever leads uses its own.
struct PlacementRules {
    std::size_t voters_max = 0;      ///< 0: all members vote
    std::string spread_by = "rack";  ///< the label over whose values the voters are spread
    Duration replace_after{0};       ///< 0: a voter that is away stays one
};

/// A member of the first group, as its leader knows it.
struct PlacementCandidate {
    NodeId node;
    std::string place;  ///< the value of the label; empty where it has none, or has not told
    bool votes = false;
    bool is_linked = false;
    bool is_lost = false;     ///< away for longer than PlacementRules::replace_after
    bool is_drained = false;  ///< by an operator: others vote, where there are others
};

/// Who is to vote: at most `voters_max`, 0: all.
///
/// The leader does. The others are taken one by one: from the place with the fewest so far; of
/// these one that votes already; one that is linked; the lowest number. One that is away, and does
/// not vote, is not taken; one that is lost or drained only where there is nobody else. So voters
/// fall into as many places as possible, evenly; of all choices that do, it is one that keeps most
/// voters; and once they all vote the choice stays. **Requires** that `leader` is among the
/// members.
[[nodiscard]] std::set<NodeId> choose_voters(const std::vector<PlacementCandidate>& members,
                                             NodeId leader,
                                             std::size_t voters_max);

}  // namespace millrace::broker::cluster
