#include <algorithm>

#include <gtest/gtest.h>

#include "broker/cluster/member_steps.hpp"
#include "broker/cluster/voter_placement.hpp"
#include "storage/base/random.hpp"

// Choice and steps together: what a leader does to a group, one change after the other.
namespace millrace::broker::cluster {
namespace {

using consensus::Member;
using consensus::MemberRole;

std::set<NodeId> voters_in(const std::vector<Member>& members) {
    std::set<NodeId> voters;
    for (const auto& one : members) {
        if (one.role == MemberRole::voter) {
            voters.insert(one.node);
        }
    }
    return voters;
}

/// A group in which whoever is linked has everything.
class PlacementRun : public ::testing::TestWithParam<std::uint64_t> {
  protected:
    static constexpr NodeId leader{1};

    void begin(std::uint64_t voters) {
        const auto count = voters + random.below(5);
        status = {};
        heard = {};
        places.clear();
        lost.clear();
        status.last = RaftIndex{100};
        for (std::uint64_t node = 1; node <= count; ++node) {
            status.members.push_back(
                {.node = NodeId{node},
                 .address = "",
                 .role = node <= voters ? MemberRole::voter : MemberRole::standby});
            status.replicas.push_back({.node = NodeId{node}, .match = RaftIndex{100}});
            places[NodeId{node}] = std::string(1, static_cast<char>('a' + random.below(3)));
            set_link(NodeId{node}, true);
        }
    }
    void set_link(NodeId node, bool is_linked) {
        if (is_linked) {
            heard.linked.insert(node);
            heard.filled.insert(node);
        } else {
            heard.linked.erase(node);
            heard.filled.erase(node);
        }
    }
    [[nodiscard]] bool is_there(NodeId node) const {
        return node == leader || heard.linked.contains(node);
    }
    [[nodiscard]] std::size_t count_there(const std::set<NodeId>& nodes) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(nodes, [this](NodeId node) { return is_there(node); }));
    }
    [[nodiscard]] bool has_majority() const {
        const auto voters = voters_in(status.members);
        return count_there(voters) * 2 > voters.size();
    }
    [[nodiscard]] std::vector<Member> wanted(std::size_t voters_max) const {
        std::vector<PlacementCandidate> candidates;
        for (const auto& one : status.members) {
            candidates.push_back({.node = one.node,
                                  .place = places.at(one.node),
                                  .votes = one.role == MemberRole::voter,
                                  .is_linked = is_there(one.node),
                                  .is_lost = lost.contains(one.node)});
        }
        const auto chosen = choose_voters(candidates, leader, voters_max);
        auto members = status.members;
        for (auto& one : members) {
            one.role = chosen.contains(one.node) ? MemberRole::voter : MemberRole::standby;
        }
        return members;
    }
    /// One change; false: nothing is to be done, or can be.
    bool step(std::size_t voters_max) {
        const auto change = next_member_change(status, leader, wanted(voters_max), heard);
        if (!change) {
            return false;
        }
        const auto before = voters_in(status.members);
        const auto member = std::ranges::find(status.members, change->node, &Member::node);
        member->role = change->role.value();
        const auto after = voters_in(status.members);
        EXPECT_TRUE(after.contains(leader));
        EXPECT_TRUE(has_majority()) << "a majority that worked works on";
        std::size_t kept = 0;
        for (const auto node : before) {
            kept += after.contains(node) ? 1U : 0U;
        }
        EXPECT_GT(kept * 2, before.size());
        if (before.size() <= voters_max) {
            EXPECT_GE(after.size(), before.size()) << "the new one votes first";
        }
        EXPECT_LE(after.size(), std::max(before.size(), voters_max + 1));
        return true;
    }
    void converge(std::size_t voters_max) {
        constexpr int steps_max = 40;
        int steps = 0;
        while (step(voters_max) && !HasFailure()) {
            ASSERT_LT(++steps, steps_max) << "it comes to an end";
        }
    }

    Random random{GetParam()};
    consensus::GroupStatus status;
    Heard heard;
    std::map<NodeId, std::string> places;
    std::set<NodeId> lost;
};

TEST_P(PlacementRun, ManyVotersBecomeAsManyAsAreWanted) {
    for (int i = 0; i < 200; ++i) {
        begin(3 + random.below(5));
        const auto voters_max =
            std::min<std::size_t>(3 + 2 * random.below(2), status.members.size());
        converge(voters_max);
        ASSERT_EQ(voters_in(status.members).size(), voters_max);
        ASSERT_EQ(voters_in(status.members), voters_in(wanted(voters_max)));
    }
}

TEST_P(PlacementRun, OneAfterTheOtherIsLostWhileAnyAreLeftToTakeItsPlace) {
    for (int i = 0; i < 200; ++i) {
        begin(5);
        converge(3);
        for (auto left = status.members.size(); left > 3 && !HasFailure(); --left) {
            const auto voters = voters_in(status.members);
            const auto gone = std::ranges::find_if(
                voters, [this](NodeId node) { return node != leader && is_there(node); });
            ASSERT_NE(gone, voters.end());
            set_link(*gone, false);
            lost.insert(*gone);
            converge(3);
            const auto now = voters_in(status.members);
            ASSERT_EQ(now.size(), 3U);
            ASSERT_EQ(count_there(now), 3U) << "all that vote are there again";
        }
    }
}

TEST_P(PlacementRun, LinksThatComeAndGoShrinkNoMajority) {
    for (int i = 0; i < 200; ++i) {
        begin(5);
        for (int turn = 0; turn < 40 && !HasFailure(); ++turn) {
            const NodeId node{2 + random.below(status.members.size() - 1)};
            set_link(node, random.chance(0.6));
            if (!has_majority()) {
                set_link(node, true);  // nothing could be changed meanwhile
            }
            step(3);
        }
        for (const auto& one : status.members) {
            set_link(one.node, true);
        }
        converge(3);
        ASSERT_EQ(voters_in(status.members).size(), 3U);
    }
}

INSTANTIATE_TEST_SUITE_P(Seeds, PlacementRun, ::testing::Range(1UL, 9UL));

}  // namespace
}  // namespace millrace::broker::cluster
