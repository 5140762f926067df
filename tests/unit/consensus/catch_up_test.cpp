#include "broker/consensus/catch_up.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/replica_fixture.hpp"

#include "storage/format/layout.hpp"

namespace millrace::broker::consensus {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::Eq;
using ::testing::IsEmpty;
using ::testing::Not;

/// Next to nothing stays in the leader's memory.
class CatchUpTest : public ReplicaTest {
  protected:
    CatchUpTest() : ReplicaTest(1024) {}

    /// Leads; its log is kept from the first segment on.
    GroupReplica& lead() {
        auto* const first = elect();
        EXPECT_NE(first, nullptr);
        first->propose_record();
        run(second);
        return *first;
    }
    /// More than `leader` has in memory, in some segments.
    void propose_many(GroupReplica& leader, int count = 500) {
        leader.answers.clear();
        for (int i = 0; i < count; ++i) {
            const auto text = "entry " + std::to_string(++proposed_) + ' ';
            leader.propose(text + std::string(200, 'x'));
            run(Duration{10'000});
        }
        EXPECT_THAT(leader.answers, Each(Errc::ok));
    }
    void set_pace(std::uint64_t bytes_per_second) {
        for (const auto& replica : replicas) {
            replica->crash();
            replica->options.catch_up_bytes_per_second = bytes_per_second;
            replica->open();
        }
    }
    /// What the replica applied in this life is the end of what `leader` applied, and reaches up to
    /// its end.
    static void expect_same_end(const GroupReplica& replica, const GroupReplica& leader) {
        ASSERT_FALSE(replica.applied.empty());
        const auto count = std::min(replica.applied.size(), leader.applied.size());
        const std::vector<std::string> got(replica.applied.end() - static_cast<long>(count),
                                           replica.applied.end());
        const std::vector<std::string> wanted(leader.applied.end() - static_cast<long>(count),
                                              leader.applied.end());
        EXPECT_EQ(got, wanted);
    }
    [[nodiscard]] GroupReplica& other_than(const GroupReplica& one, const GroupReplica& two) {
        return **std::ranges::find_if(replicas, [&](const auto& replica) {
            return replica.get() != &one && replica.get() != &two;
        });
    }

  private:
    int proposed_ = 0;
};

TEST_F(CatchUpTest, ReplicaThatMissedTooMuchGetsItFromTheLog) {
    auto& first = lead();
    auto& away = follower();
    away.crash();
    propose_many(first);
    away.open();
    run(5 * second);
    EXPECT_GT(first.caught_up_bytes, 50'000U);
    EXPECT_GE(away.applied.size(), 500U);
    expect_same_end(away, first);
    EXPECT_THAT(away.behind, IsEmpty());
    EXPECT_TRUE(first.group->role().leads);
    // And it goes on from memory.
    const auto bytes = first.caught_up_bytes;
    first.propose("last");
    run(second);
    EXPECT_EQ(away.applied.back(), "last");
    EXPECT_EQ(first.caught_up_bytes, bytes);
}

TEST_F(CatchUpTest, ItGoesOnWhereTheLinkWasCut) {
    set_pace(200'000);
    auto& first = lead();
    auto& away = follower();
    away.crash();
    propose_many(first, 3'000);
    away.open();
    for (int i = 0; i < 300 && first.caught_up_bytes < 250'000; ++i) {
        run(Duration{10'000});
    }
    const auto before = first.caught_up_bytes;
    ASSERT_GT(before, 0U);
    ASSERT_LT(before, 400'000U);
    cut(away.node);
    propose_many(first, 200);
    heal();
    run(20 * second);
    EXPECT_GE(away.applied.size(), 3'200U);
    EXPECT_LT(first.caught_up_bytes, 900'000U) << "but for what was lost, nothing is sent twice";
    expect_same_end(away, first);
    EXPECT_THAT(away.behind, IsEmpty());
}

TEST_F(CatchUpTest, WhatALoneLeaderHadIsTakenOutFirst) {
    auto& first = lead();
    cut(first.node);
    for (int i = 0; i < 30; ++i) {
        first.propose("never agreed " + std::to_string(i));
    }
    run(3 * second);
    auto* const next = elect();
    ASSERT_NE(next, nullptr);
    ASSERT_NE(next, &first);
    propose_many(*next);
    heal();
    run(10 * second);
    EXPECT_GT(next->caught_up_bytes, 0U);
    expect_same_end(first, *next);
    EXPECT_THAT(first.applied, Not(Contains(::testing::HasSubstr("never agreed"))));
    EXPECT_THAT(first.behind, IsEmpty());
}

TEST_F(CatchUpTest, EntriesThatWereTakenOutOfTheLogAreNotHandedOn) {
    auto& first = lead();
    auto& away = follower();
    away.crash();
    auto& third = other_than(first, away);
    propose_many(first, 20);
    // First's log has entries that nobody follows, and others in their place.
    third.crash();
    for (int i = 0; i < 30; ++i) {
        first.propose("never agreed " + std::to_string(i));
    }
    run(second);
    first.crash();
    third.open();
    away.open();
    auto* const next = elect();
    ASSERT_NE(next, nullptr);
    ASSERT_NE(next, &first);
    next->propose("instead");
    run(second);
    first.open();
    run(2 * second);
    auto& late = next == &away ? third : away;
    late.crash();
    propose_many(*next);
    next->group->transfer(first.node);
    run(2 * second);
    ASSERT_TRUE(first.group->role().leads);
    propose_many(first, 100);
    late.open();
    run(10 * second);
    EXPECT_GT(first.caught_up_bytes, 0U);
    expect_same_end(late, first);
    EXPECT_THAT(late.applied, Not(Contains(::testing::HasSubstr("never agreed"))));
    EXPECT_THAT(late.behind, IsEmpty());
}

TEST_F(CatchUpTest, LeaderThatWasStartedAgainKnowsItsTerms) {
    for (const auto& replica : replicas) {
        replica->open_with_index();
    }
    auto& first = lead();
    auto& away = follower();
    away.crash();
    propose_many(first);
    for (const auto& replica : replicas) {
        if (replica.get() != &away) {
            ASSERT_TRUE(replica->store->checkpoint());
            replica->crash();
            replica->open();
        }
    }
    auto* const next = elect();
    ASSERT_NE(next, nullptr);
    propose_many(*next, 100);
    away.open();
    run(10 * second);
    EXPECT_GT(next->caught_up_bytes, 0U);
    EXPECT_GE(away.applied.size(), 600U);
    expect_same_end(away, *next);
    EXPECT_THAT(away.behind, IsEmpty());
}

TEST_F(CatchUpTest, ItIsSentNoFasterThanAsked) {
    constexpr std::uint64_t pace = 20'000;
    set_pace(pace);
    auto& first = lead();
    auto& away = follower();
    away.crash();
    propose_many(first, 4'000);  // several reads of the log
    away.open();
    run(20 * second);
    // As much as there was time for, and one read.
    EXPECT_GT(first.caught_up_bytes, 15 * pace);
    EXPECT_LT(first.caught_up_bytes, 20 * pace + 150'000);
    EXPECT_THAT(away.behind, IsEmpty());
}

TEST_F(CatchUpTest, ReplicaThatLacksWhatTheLogHasNoMoreIsToldSo) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    auto& away = follower();
    away.crash();
    propose_many(*first, 1'500);  // commands alone: their segments are recycled
    ASSERT_GT(first->store->list_segments().front().segment, SegmentSequence{1});
    away.open();
    run(10 * second);
    EXPECT_EQ(first->caught_up_bytes, 0U);
    ASSERT_THAT(away.behind, Not(IsEmpty()));
    EXPECT_THAT(away.behind, Each(Eq(leader()->node)));
    // It takes no part in what it does not know, and the others go on.
    EXPECT_TRUE(first->group->role().leads);
    EXPECT_THAT(away.failures, IsEmpty());
}

TEST_F(CatchUpTest, DamageThatIsMetIsToldOf) {
    auto& first = lead();
    auto& away = follower();
    away.crash();
    propose_many(first);
    first.flip_bit(first.places.at(250), 100);
    away.open();
    run(10 * second);
    EXPECT_THAT(first.damages, Not(IsEmpty()));
    EXPECT_THAT(away.applied, Not(Contains(first.applied.back())));
}

/// What a replica lacks is in memory, but for what commands say.
class LoadedCommandsTest : public ReplicaTest {
  protected:
    void propose(GroupReplica& leader, int count, std::size_t bytes = 0) {
        for (int i = 0; i < count; ++i) {
            leader.propose("entry " + std::to_string(i) + std::string(bytes, 'x'));
            run(Duration{50'000});
        }
    }
    /// All but one that is away; who leads then.
    GroupReplica* start_others_again(const GroupReplica& away) {
        for (const auto& replica : replicas) {
            if (replica.get() != &away) {
                EXPECT_TRUE(replica->index == nullptr || replica->store->checkpoint());
                replica->crash();
                replica->open();
            }
        }
        return elect();
    }
};

TEST_F(LoadedCommandsTest, ReplicaThatLacksWhatTheLogHasNoMoreIsToldSo) {
    for (const auto& replica : replicas) {
        replica->open_with_index();
    }
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    auto& away = follower();
    away.crash();
    propose(*first, 20);
    auto* const next = start_others_again(away);
    ASSERT_NE(next, nullptr);
    propose(*next, 600, 1'000);  // commands alone: the segments of those before are recycled
    ASSERT_GT(next->store->list_segments().front().segment, SegmentSequence{2});
    away.open();
    run(5 * second);
    ASSERT_THAT(away.behind, Not(IsEmpty()));
    EXPECT_THAT(away.behind, Each(Eq(next->node)));
    EXPECT_TRUE(next->group->role().leads) << "nobody else stood for election";
    EXPECT_THAT(next->damages, IsEmpty());
    EXPECT_EQ(next->caught_up_bytes, 0U) << "libraft has them all";
}

TEST_F(LoadedCommandsTest, DamageThatIsMetIsToldOf) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    auto& away = follower();
    away.crash();
    propose(*first, 20);
    const auto place = first->places.at(10);
    auto* const next = start_others_again(away);
    ASSERT_NE(next, nullptr);
    const auto damaged = next == first ? place : next->places.at(10);
    next->flip_bit(damaged, storage::frame_header_bytes);
    away.open();
    run(5 * second);
    EXPECT_THAT(next->damages, Not(IsEmpty()));
}

}  // namespace
}  // namespace millrace::broker::consensus
