#include "broker/cluster/voter_placement.hpp"

#include <algorithm>
#include <map>
#include <tuple>

namespace millrace::broker::cluster {
namespace {

using Candidates = std::vector<PlacementCandidate>;

/// Who is chosen, and how many of them stand in each place.
class Choice {
  public:
    explicit Choice(std::size_t count_max) : count_max_(count_max) {}

    void take(const PlacementCandidate& candidate) {
        ++count_in_[candidate.place];
        chosen_.insert(candidate.node);
    }
    /// As many of them as there is room for, the best first.
    void fill_from(Candidates candidates) {
        while (chosen_.size() < count_max_ && !candidates.empty()) {
            const auto best = std::ranges::min_element(
                candidates, {}, [this](const PlacementCandidate& candidate) {
                    return std::tuple(count_in_[candidate.place],
                                      !candidate.votes,
                                      !candidate.is_linked,
                                      candidate.node);
                });
            take(*best);
            candidates.erase(best);
        }
    }
    [[nodiscard]] const std::set<NodeId>& nodes() const { return chosen_; }

  private:
    std::size_t count_max_;
    std::map<std::string, std::size_t> count_in_;
    std::set<NodeId> chosen_;
};

}  // namespace

std::set<NodeId> choose_voters(const std::vector<PlacementCandidate>& members,
                               NodeId leader,
                               std::size_t voters_max) {
    Choice choice(voters_max == 0 ? members.size() : voters_max);
    Candidates good;
    Candidates last;
    Candidates away;
    for (const auto& member : members) {
        if (member.node == leader) {
            choice.take(member);
        } else if (!member.votes && !member.is_linked) {
            away.push_back(member);
        } else {
            (member.is_lost || member.is_drained ? last : good).push_back(member);
        }
    }
    choice.fill_from(std::move(good));
    choice.fill_from(std::move(last));
    if (voters_max == 0) {
        choice.fill_from(std::move(away));  // they vote as soon as they can
    }
    return choice.nodes();
}

}  // namespace millrace::broker::cluster
