#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/replica_fixture.hpp"

#include "storage/format/layout.hpp"

namespace millrace::broker::consensus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(ReplicaTest, OneLeadsAndAllApplyTheSame) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    for (const char* text : {"one", "two", "three"}) {
        first->propose(text);
    }
    run(second);
    EXPECT_THAT(first->answers, ElementsAre(Errc::ok, Errc::ok, Errc::ok));
    for (const auto& replica : replicas) {
        EXPECT_THAT(replica->applied, ElementsAre("one", "two", "three"));
        EXPECT_EQ(replica->group->role().leader, first->node);
    }
}

TEST_F(ReplicaTest, NothingIsAppliedWithoutAMajority) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    for (const auto& replica : replicas) {
        if (replica.get() != first) {
            cut(replica->node);
        }
    }
    first->propose("alone");
    run(Duration{200'000});
    EXPECT_THAT(first->applied, IsEmpty());
    EXPECT_THAT(first->answers, IsEmpty());
    run(5 * second);  // and who hears nobody leads nobody
    EXPECT_THAT(first->answers, ElementsAre(Errc::not_leader));
    EXPECT_FALSE(first->group->role().leads);
}

TEST_F(ReplicaTest, LeaderThatWaitsForItsDiskNoticesThatNobodyHearsIt) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    cut(first->node);
    // An append is always under way, as in a busy broker.
    for (int i = 0; i < 100 && first->group->is_leader(); ++i) {
        first->propose("busy");
        run(Duration{50'000});
    }
    EXPECT_FALSE(first->group->is_leader());
}

TEST_F(ReplicaTest, AnotherTakesOverAndWhatWasAnsweredStays) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    first->propose("kept");
    run(second);
    first->crash();
    auto* const second_leader = elect();
    ASSERT_NE(second_leader, nullptr);
    ASSERT_NE(second_leader, first);
    EXPECT_THAT(second_leader->applied, ElementsAre("kept"));
    second_leader->propose("after");
    run(second);
    first->open();
    run(2 * second);
    EXPECT_THAT(first->applied, ElementsAre("kept", "after"));
}

TEST_F(ReplicaTest, WhatNoMajorityHadIsTakenOutOfTheLog) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    first->propose("agreed");
    run(second);
    cut(first->node);
    first->propose("never agreed");
    run(3 * second);
    auto* const other = elect();
    ASSERT_NE(other, nullptr);
    ASSERT_NE(other, first);
    other->propose("instead");
    run(second);
    heal();
    run(3 * second);
    EXPECT_THAT(first->applied, ElementsAre("agreed", "instead"));
    first->crash();  // and it does not come back from the disk
    first->open();
    run(2 * second);
    EXPECT_THAT(first->applied, ElementsAre("agreed", "instead"));
}

TEST_F(ReplicaTest, LeadGoesToWhomItIsHanded) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const auto to = follower().node;
    first->group->transfer(to);
    run(2 * second);
    auto* const now = elect();
    ASSERT_NE(now, nullptr);
    EXPECT_EQ(now->node, to);
}

TEST_F(ReplicaTest, TheFirstWhoStandsForElectionIsElected) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const auto term = first->group->role().term;
    first->crash();
    // Those that are left wait 600 ms, and some more by their rank; ticks are 100 ms apart.
    run(Duration{850'000});
    auto* const now = leader();
    ASSERT_NE(now, nullptr);
    EXPECT_EQ(now->node, NodeId{first->node == NodeId{1} ? 2U : 1U}) << "who waits least";
    EXPECT_EQ(now->group->role().term, RaftTerm{term.value + 1});
}

TEST_F(ReplicaTest, WhoServedAndLeadsAgainProposesNothingMore) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    first->group->serve();
    first->propose("before");
    run(second);
    EXPECT_THAT(first->answers, ElementsAre(Errc::ok));
    EXPECT_FALSE(first->group->has_lost_lead());
    auto& other = follower();
    first->group->transfer(other.node);
    run(2 * second);
    ASSERT_TRUE(other.group->role().leads);
    EXPECT_TRUE(first->group->has_lost_lead());
    other.group->transfer(first->node);
    run(2 * second);
    ASSERT_TRUE(first->group->role().leads);
    EXPECT_TRUE(first->group->has_lost_lead());
    first->propose("after");
    run(second);
    EXPECT_THAT(first->answers, ElementsAre(Errc::ok, Errc::not_leader));
    EXPECT_THAT(other.applied, ElementsAre("before"));
}

TEST_F(ReplicaTest, LeadGoesToWhoHasMostWhereNobodyIsNamed) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const auto late = follower().node;
    cut(late);
    first->propose("not everywhere");
    run(Duration{300'000});
    first->group->transfer(NodeId{});
    run(2 * second);
    auto* const now = elect();
    ASSERT_NE(now, nullptr);
    EXPECT_NE(now->node, first->node);
    EXPECT_NE(now->node, late);
}

TEST_F(ReplicaTest, LeadIsConfirmedByAMajorityAndByNobodyElse) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    std::vector<Errc> answers;
    const auto ask = [&answers](GroupReplica& replica) {
        replica.group->confirm([&answers](const Result<void>& confirmed) {
            answers.push_back(confirmed ? Errc::ok : confirmed.error().code);
        });
    };
    ask(follower());
    EXPECT_THAT(answers, ElementsAre(Errc::not_leader));
    answers.clear();
    cut(follower().node);
    ask(*first);
    EXPECT_THAT(answers, IsEmpty()) << "it has to be told first";
    run(second);
    EXPECT_THAT(answers, ElementsAre(Errc::ok)) << "by one of the two";
    answers.clear();
    cut(first->node);
    ASSERT_TRUE(first->group->role().leads) << "as it believes";
    ask(*first);
    run(5 * second);
    EXPECT_THAT(answers, ElementsAre(Errc::not_leader));
}

TEST_F(ReplicaTest, OneThatHasJustComeBackIsAskedToLeadUntilItKnowsWhoDoes) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    first->propose("before");
    run(second);
    auto& target = follower();
    target.crash();
    target.open();
    // Asked once, it would wait for libraft's election timeout of 600 ms.
    for (int i = 0; i < 20 && !target.group->is_leader(); ++i) {
        first->group->transfer(target.node);
        run(Duration{20'000});
    }
    EXPECT_TRUE(target.group->is_leader());
}

TEST_F(ReplicaTest, TermAndVoteAreOnDiskBeforeTheyAreKnown) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    const auto term = first->group->role().term;
    for (const auto& replica : replicas) {
        replica->crash();
    }
    for (const auto& replica : replicas) {
        replica->open();
        EXPECT_GE(replica->group->role().term, term);
    }
    ASSERT_NE(elect(), nullptr);
    EXPECT_GT(leader()->group->role().term, term);
}

TEST_F(ReplicaTest, EntriesThatCameBackWithoutTheirBytesReachAnother) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    auto& away = follower();
    away.crash();
    for (int i = 0; i < 20; ++i) {
        first->propose("entry " + std::to_string(i));
    }
    run(second);
    for (const auto& replica : replicas) {
        if (replica.get() != &away) {
            replica->crash();
            replica->open();
        }
    }
    away.open();
    ASSERT_NE(elect(), nullptr);
    run(3 * second);
    EXPECT_THAT(away.applied, SizeIs(20));
    EXPECT_EQ(away.applied.back(), "entry 19");
}

TEST_F(ReplicaTest, LogWithAHoleIsRefused) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    for (int i = 0; i < 6; ++i) {
        first->propose("entry " + std::to_string(i));
        run(Duration{100'000});
    }
    auto& broken = follower();
    const auto place = broken.places.at(2);
    broken.crash();
    broken.flip_bit(place, storage::frame_header_bytes);
    broken.open();
    EXPECT_EQ(broken.start_error.code, Errc::corrupt);
    EXPECT_THAT(broken.start_error.text, HasSubstr("missing"));
}

}  // namespace
}  // namespace millrace::broker::consensus
