#include <cerrno>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/consensus/replica_fixture.hpp"

namespace millrace::broker::consensus {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Duration short_while{200'000};
constexpr Duration a_second{1'000'000};

class StoredTest : public ReplicaTest {
  protected:
    /// Neither of the others hears the leader, nor it them.
    void leave_alone(const GroupReplica& leader) {
        for (const auto& replica : replicas) {
            if (replica->node != leader.node) {
                cut(replica->node);
            }
        }
    }
};

TEST_F(StoredTest, LeaderTellsOfItsOwnDiskBeforeAMajorityHasTheEntry) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    leave_alone(*first);
    first->propose("one");
    EXPECT_THAT(first->stored, IsEmpty());  // nothing is on the disk yet
    first->propose("two");
    run(short_while);
    EXPECT_THAT(first->stored, ElementsAre("one", "two"));
    EXPECT_THAT(first->answers, IsEmpty());
    EXPECT_THAT(first->applied, IsEmpty());
    heal();
    run(a_second);
    EXPECT_THAT(first->answers, ElementsAre(Errc::ok, Errc::ok));
    EXPECT_THAT(first->stored, ElementsAre("one", "two"));
}

TEST_F(StoredTest, EntryThatIsLostWasToldToBeStoredAndIsRefusedThen) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    leave_alone(*first);
    first->propose("lost");
    run(5 * a_second);
    EXPECT_THAT(first->stored, ElementsAre("lost"));
    EXPECT_THAT(first->answers, ElementsAre(Errc::not_leader));
}

TEST_F(StoredTest, NothingIsToldOfAnEntryThatADiskDoesNotTake) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    leave_alone(*first);
    first->disk.fail_call(0, EIO, storage::SimDisk::Failure::for_good);
    first->propose("never");
    run(short_while);
    EXPECT_THAT(first->stored, IsEmpty());
    EXPECT_THAT(first->answers, ElementsAre(Errc::shard_failed));
}

TEST_F(StoredTest, EntryOfALaterLeadIsNotTakenForWhatTheDiskHadBefore) {
    auto* const first = elect();
    ASSERT_NE(first, nullptr);
    first->propose("agreed");
    run(a_second);
    // Longer than what the next leader has, and taken out of this log by it.
    leave_alone(*first);
    for (const char* text : {"a", "b", "c", "d"}) {
        first->propose(text);
    }
    run(3 * a_second);
    heal();
    cut(first->node);
    ASSERT_NE(elect(), nullptr);
    run(a_second);
    heal();
    run(2 * a_second);
    first->stored.clear();
    for (int i = 0; i < 20 && leader() != first; ++i) {
        if (auto* const other = leader()) {
            other->group->transfer(first->node);
        }
        run(a_second);
    }
    ASSERT_EQ(leader(), first);
    leave_alone(*first);
    first->propose("later");
    EXPECT_THAT(first->stored, IsEmpty());
    first->group->on_durable(CommitSequence{0});  // of nothing that is under way
    EXPECT_THAT(first->stored, IsEmpty());
    run(short_while);
    EXPECT_THAT(first->stored, ElementsAre("later"));
}

TEST_F(StoredTest, OneThatIsAloneHasAppliedWhatItHasStored) {
    GroupReplica alone(
        NodeId{9},
        {{.node = NodeId{9}, .address = "node9"}},
        [](NodeId, NodeId, const std::vector<std::byte>&) { return false; },
        clock,
        8_MiB);
    alone.propose("only");
    for (int i = 0; i < 100 && alone.answers.empty(); ++i) {
        (void)alone.turn();
    }
    EXPECT_THAT(alone.answers, ElementsAre(Errc::ok));
    EXPECT_THAT(alone.stored, IsEmpty());
}

}  // namespace
}  // namespace millrace::broker::consensus
