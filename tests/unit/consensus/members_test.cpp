#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/replica_fixture.hpp"

namespace millrace::broker::consensus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::uint64_t> voters_of(const GroupReplica& replica) {
    std::vector<std::uint64_t> voters;
    for (const auto& member : replica.group->members()) {
        if (member.role == MemberRole::voter) {
            voters.push_back(member.node.value);
        }
    }
    return voters;
}

class MembersTest : public ReplicaTest {
  protected:
    MembersTest() : ReplicaTest(8_MiB, /*more=*/1) {}

    Errc change(GroupReplica& at, const MemberChange& change) {
        auto outcome = std::make_shared<std::optional<Errc>>();
        at.group->change(change, [outcome](const Result<void>& done) {
            *outcome = done ? Errc::ok : done.error().code;
        });
        run(second);
        return outcome->value_or(Errc::timed_out);
    }
    /// From nothing to a standby.
    void join_as_standby(GroupReplica& leading, NodeId number) {
        ASSERT_EQ(change(leading, {.node = number, .role = MemberRole::spare, .address = "new"}),
                  Errc::ok);
        ASSERT_EQ(change(leading, {.node = number, .role = MemberRole::standby}), Errc::ok);
    }
    /// From nothing to a voter.
    void join(GroupReplica& leading, std::uint64_t node) {
        const NodeId number{node};
        join_as_standby(leading, number);
        ASSERT_EQ(change(leading, {.node = number, .role = MemberRole::voter}), Errc::ok);
    }
    void restart(GroupReplica& replica) {
        replica.crash();
        replica.open();
    }
    /// A change of the members that is in its log alone.
    void change_alone(GroupReplica& leading) {
        cut(leading.node);
        leading.group->change({.node = NodeId{4}, .role = MemberRole::spare, .address = "new"},
                              [](const Result<void>& done) { EXPECT_FALSE(done); });
    }
    /// Once it hears of a leader that has agreed on something else.
    void expect_taken_back(GroupReplica& former) {
        ASSERT_EQ(former.group->members().size(), 4U);
        auto* const other = elect();
        ASSERT_NE(other, nullptr);
        ASSERT_NE(other, &former);
        other->propose("instead");
        run(second);
        heal();
        run(2 * second);
        ASSERT_THAT(former.failures, ::testing::SizeIs(1));  // and begins anew
        restart(former);
        run(2 * second);
        EXPECT_EQ(former.start_error.text, "");
        EXPECT_THAT(former.applied, ElementsAre("instead"));
        EXPECT_THAT(voters_of(former), ElementsAre(1, 2, 3));
    }
};

TEST_F(MembersTest, OneThatJoinsHasEverythingAndCounts) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    first->propose("before");
    join(*first, 4);
    first->propose("after");
    run(second);
    EXPECT_THAT(at(4).applied, ElementsAre("before", "after"));
    for (const auto& replica : replicas) {
        EXPECT_THAT(voters_of(*replica), ElementsAre(1, 2, 3, 4));
    }
    // Two of four are no majority.
    std::uint64_t others = 0;
    for (const auto& replica : replicas) {
        if (replica.get() != first && others < 2) {
            cut(replica->node);
            ++others;
        }
    }
    first->propose("by half");
    run(Duration{200'000});
    EXPECT_THAT(first->applied, ElementsAre("before", "after"));
}

TEST_F(MembersTest, OneThatLeavesCountsNoMore) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const auto gone = follower().node;
    EXPECT_EQ(change(*first, {.node = gone, .role = {}}), Errc::ok);
    cut(gone);
    first->propose("by two of two");
    run(second);
    EXPECT_THAT(first->applied, ElementsAre("by two of two"));
    EXPECT_EQ(voters_of(*first).size(), 2U);
}

TEST_F(MembersTest, StandbyIsSentTheLogAndDoesNotCount) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const NodeId number{4};
    join_as_standby(*first, number);
    for (const auto& replica : replicas) {
        if (replica.get() != first && replica->node != number) {
            cut(replica->node);
        }
    }
    first->propose("by one of three");
    run(Duration{300'000});
    EXPECT_THAT(first->applied, IsEmpty());
    EXPECT_FALSE(at(4).group->is_leader());
}

TEST_F(MembersTest, VoterThatStandsByHasEverythingAndDoesNotCountAndDoesNotLead) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    auto& standby = follower();
    ASSERT_EQ(change(*first, {.node = standby.node, .role = MemberRole::standby}), Errc::ok);
    first->propose("sent to all");
    run(second);
    EXPECT_THAT(standby.applied, ElementsAre("sent to all"));
    for (const auto& replica : {&at(1), &at(2), &at(3)}) {
        EXPECT_EQ(voters_of(*replica).size(), 2U);
    }
    // Two that vote are a majority of two alone, and the third can't take the lead.
    first->group->transfer(standby.node);
    run(second);
    EXPECT_FALSE(first->group->is_transferring());
    cut(first->node);
    run(20 * second);
    EXPECT_FALSE(standby.group->is_leader());
    for (const auto& replica : replicas) {
        EXPECT_FALSE(replica->group->role().leads) << replica->node.value;
    }
    heal();
    run(5 * second);
    auto* const next = elect();
    ASSERT_NE(next, nullptr);
    EXPECT_NE(next->node, standby.node);
    EXPECT_EQ(change(*next, {.node = standby.node, .role = MemberRole::voter}), Errc::ok);
    EXPECT_EQ(voters_of(standby).size(), 3U);
}

TEST_F(MembersTest, LeadGoesToOneThatVotesWhereAnybodyMayHaveIt) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const auto standby = follower().node;
    ASSERT_EQ(change(*first, {.node = standby, .role = MemberRole::standby}), Errc::ok);
    first->group->transfer(NodeId{});
    run(second);
    auto* const next = elect();
    ASSERT_NE(next, nullptr);
    EXPECT_NE(next, first);
    EXPECT_NE(next->node, standby);
}

/// Of four voters two have to be left when one is away and the leader comes back.
TEST_F(MembersTest, NewVoterThatOnlyItsLeaderKnowsOfHindersNoElection) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const NodeId number{4};
    join_as_standby(*first, number);
    follower().crash();
    cut(first->node);
    first->group->change({.node = number, .role = MemberRole::voter},
                         [](const Result<void>& done) { EXPECT_FALSE(done); });
    run(Duration{200'000});
    ASSERT_EQ(voters_of(*first).size(), 4U);
    ASSERT_EQ(voters_of(at(4)).size(), 3U);
    restart(*first);
    heal();
    auto* const next = elect();
    ASSERT_NE(next, nullptr);
    next->propose("on");
    run(second);
    EXPECT_THAT(next->applied, ElementsAre("on"));
    EXPECT_EQ(voters_of(at(4)).size(), 4U);
}

TEST_F(MembersTest, VoterHearsThatItStandsByAfterTheOthers) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    join(*first, 4);
    auto& leaves = follower();
    for (const auto& replica : replicas) {
        if (replica.get() != first && replica.get() != &leaves) {
            cut(replica->node);
        }
    }
    first->group->change({.node = leaves.node, .role = MemberRole::standby},
                         [](const Result<void>& done) { EXPECT_FALSE(done); });
    run(Duration{200'000});
    EXPECT_EQ(voters_of(*first).size(), 3U);
    EXPECT_EQ(voters_of(leaves).size(), 4U) << "it may be needed, and could not be elected";
    first->crash();
    heal();
    auto* const next = elect();
    ASSERT_NE(next, nullptr);
    EXPECT_NE(next, first);
    EXPECT_EQ(voters_of(*next).size(), 4U);
}

TEST_F(MembersTest, WhoLeadsGoesOnToVote) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(change(*first, {.node = first->node, .role = MemberRole::standby}), Errc::conflict);
    EXPECT_EQ(voters_of(*first).size(), 3U);
    EXPECT_TRUE(first->group->role().leads);
}

TEST_F(MembersTest, OneThatIsAwayDoesNotBecomeAVoter) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const NodeId number{4};
    join_as_standby(*first, number);
    cut(number);
    first->propose("without it");
    run(second);
    std::optional<Errc> outcome;
    first->group->change(
        {.node = number, .role = MemberRole::voter},
        [&outcome](const Result<void>& done) { outcome = done ? Errc::ok : done.error().code; });
    EXPECT_EQ(change(*first, {.node = number, .role = {}}), Errc::conflict);
    run(60 * second);
    EXPECT_EQ(outcome, Errc::unavailable);
    EXPECT_THAT(voters_of(*first), ElementsAre(1, 2, 3));
    EXPECT_TRUE(first->group->role().leads);
}

TEST_F(MembersTest, WhoDoesNotLeadChangesNothing) {
    ASSERT_NE(elect(), nullptr);
    EXPECT_EQ(change(follower(), {.node = NodeId{3}, .role = {}}), Errc::not_leader);
    EXPECT_EQ(change(*leader(), {.node = leader()->node, .role = {}}), Errc::conflict);
    EXPECT_EQ(change(*leader(), {.node = NodeId{9}, .role = {}}), Errc::conflict);
    for (const auto& replica : replicas) {
        EXPECT_THAT(voters_of(*replica), ElementsAre(1, 2, 3));
    }
}

TEST_F(MembersTest, MembersComeBackFromTheDisk) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    join(*first, 4);
    for (const auto& replica : replicas) {
        replica->crash();
    }
    for (const auto& replica : replicas) {
        replica->open();
        EXPECT_THAT(voters_of(*replica), ElementsAre(1, 2, 3, 4));
    }
    EXPECT_NE(elect(), nullptr);
}

TEST_F(MembersTest, ChangeThatNoMajorityHadIsTakenBack) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    change_alone(*first);
    run(3 * second);
    expect_taken_back(*first);
}

TEST_F(MembersTest, ChangeThatNoMajorityHadIsTakenBackAlsoAfterARestart) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    change_alone(*first);
    run(second);
    restart(*first);
    expect_taken_back(*first);
}

TEST_F(MembersTest, DataOfANodeThatStandsAloneIsNoPartOfACluster) {
    const Voter self{.node = NodeId{5}, .address = "here"};
    replicas.push_back(std::make_unique<GroupReplica>(
        self.node,
        std::vector{self},
        [](NodeId, NodeId, const std::vector<std::byte>&) { return false; },
        clock,
        8_MiB));
    auto& alone = at(5);
    run(second);
    ASSERT_TRUE(alone.group->role().leads);
    EXPECT_FALSE(alone.group->is_new());
    alone.close();
    alone.options.voters = at(1).options.voters;
    alone.options.voters.push_back(self);
    alone.open();
    EXPECT_EQ(alone.start_error.code, Errc::configuration);
    EXPECT_THAT(alone.start_error.text, HasSubstr("stands alone"));
}

TEST_F(MembersTest, DataOfAClusterDoesNotStandAlone) {
    ASSERT_NE(elect(), nullptr);
    auto& one = at(1);
    one.close();
    one.options.voters = {};
    one.options.links = nullptr;
    one.open();
    EXPECT_EQ(one.start_error.code, Errc::configuration);
    EXPECT_THAT(one.start_error.text, HasSubstr("cluster of the nodes 1, 2, 3"));
}

TEST_F(MembersTest, SurvivorGoesOnAloneWithAllThatItHas) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    first->propose("agreed");
    run(second);
    auto& survivor = follower();
    for (const auto& replica : replicas) {
        if (replica.get() != &survivor) {
            replica->crash();
        }
    }
    run(5 * second);
    ASSERT_FALSE(survivor.group->role().leads);
    survivor.close();
    survivor.options.voters = {{.node = survivor.node, .address = "here"}};
    survivor.options.goes_on_alone = true;
    survivor.open();
    run(second);
    EXPECT_THAT(survivor.start_error.text, IsEmpty());
    EXPECT_TRUE(survivor.group->role().leads);
    EXPECT_THAT(voters_of(survivor), ElementsAre(survivor.node.value));
    EXPECT_THAT(survivor.applied, ElementsAre("agreed"));
    survivor.propose("alone");
    run(second);
    // Told so once more, and no more after that.
    const auto term = survivor.group->role().term;
    survivor.close();
    survivor.open();
    EXPECT_EQ(survivor.group->role().term, term);
    survivor.close();
    survivor.options.goes_on_alone = false;
    survivor.open();
    run(second);
    EXPECT_TRUE(survivor.group->role().leads);
    EXPECT_THAT(voters_of(survivor), ElementsAre(survivor.node.value));
}

TEST_F(MembersTest, NodeThatIsNoMemberIsToldSoInTheFirstGroup) {
    ASSERT_NE(elect(), nullptr);
    auto& stranger = at(4);
    restart(stranger);
    EXPECT_THAT(stranger.start_error.text, IsEmpty()) << "others get to know of it later";
    stranger.crash();
    stranger.options.group = GroupId{0};
    stranger.open();
    EXPECT_EQ(stranger.start_error.code, Errc::configuration);
    EXPECT_THAT(stranger.start_error.text, HasSubstr("no member"));
}

TEST_F(MembersTest, OneThatWasRemovedDoesNotLead) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    auto& gone = follower();
    ASSERT_EQ(change(*first, {.node = gone.node, .role = {}}), Errc::ok);
    restart(gone);
    run(5 * second);
    EXPECT_FALSE(gone.group->is_leader());
    EXPECT_TRUE(first->group->role().leads);
}

}  // namespace
}  // namespace millrace::broker::consensus
