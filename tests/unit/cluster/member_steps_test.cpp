#include "broker/cluster/member_steps.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::cluster {
namespace {

using consensus::GroupStatus;
using consensus::Member;
using consensus::MemberRole;
using ::testing::HasSubstr;

constexpr NodeId leading{1};

Member member(std::uint64_t node, MemberRole role = MemberRole::voter) {
    return {
        .node = NodeId{node}, .address = "127.0.0.1:" + std::to_string(7000 + node), .role = role};
}

Heard all_of(const std::set<std::uint64_t>& nodes) {
    Heard heard;
    for (const auto node : nodes) {
        heard.linked.insert(NodeId{node});
        heard.filled.insert(NodeId{node});
    }
    return heard;
}

GroupStatus group(std::vector<Member> members) {
    GroupStatus status;
    status.last = RaftIndex{5'000};
    for (const auto& one : members) {
        if (one.node != leading) {
            status.replicas.push_back({.node = one.node, .match = RaftIndex{5'000}});
        }
    }
    status.members = std::move(members);
    return status;
}

TEST(MemberSteps, NothingWhereAllAreVoters) {
    const std::vector members{member(1), member(2), member(3)};
    EXPECT_FALSE(next_member_change(group(members), leading, members, all_of({2, 3})));
}

TEST(MemberSteps, OneThatJoinsBecomesASpareBeforeItIsReady) {
    const auto change = next_member_change(group({member(1)}), leading, {member(1), member(2)}, {});
    ASSERT_TRUE(change);
    EXPECT_EQ(change->node, NodeId{2});
    EXPECT_EQ(change->role, MemberRole::spare);
    EXPECT_EQ(change->address, "127.0.0.1:7002");
}

TEST(MemberSteps, SpareIsSentTheLogWhenItHasItsCopy) {
    const auto status = group({member(1), member(2, MemberRole::spare)});
    EXPECT_FALSE(
        next_member_change(status, leading, status.members, {.linked = {NodeId{2}}, .filled = {}}));
    const auto change = next_member_change(status, leading, status.members, all_of({2}));
    ASSERT_TRUE(change);
    EXPECT_EQ(change->role, MemberRole::standby);
}

TEST(MemberSteps, StandbyVotesWhenLittleIsLeft) {
    auto status = group({member(1), member(2, MemberRole::standby)});
    const auto ready = all_of({2});
    status.replicas[0].match = RaftIndex{3'999};
    EXPECT_FALSE(next_member_change(status, leading, status.members, ready));
    status.replicas[0].match = RaftIndex{4'000};
    const auto change = next_member_change(status, leading, status.members, ready);
    ASSERT_TRUE(change);
    EXPECT_EQ(change->role, MemberRole::voter);
    EXPECT_FALSE(next_member_change(status, leading, status.members, {}));
    status.replicas[0].is_behind = true;
    EXPECT_FALSE(next_member_change(status, leading, status.members, ready));
}

TEST(MemberSteps, OneThatIsNotWantedLeavesFirstAndTheLeaderNever) {
    const auto change = next_member_change(
        group({member(1), member(2), member(3, MemberRole::spare)}), leading, {member(3)}, {});
    ASSERT_TRUE(change);
    EXPECT_EQ(change->node, NodeId{2});
    EXPECT_FALSE(change->role);
    EXPECT_FALSE(next_member_change(group({member(1)}), leading, {}, {}));
}

TEST(MemberSteps, NobodyIsRemovedWhoIsNeededForAMajority) {
    const std::vector members{member(1), member(2), member(3)};
    EXPECT_TRUE(check_removal(members, leading, NodeId{3}, {NodeId{2}}));
    const auto refused = check_removal(members, leading, NodeId{3}, {NodeId{3}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict);
    EXPECT_THAT(refused.error().text, HasSubstr("2 is away"));
    EXPECT_THAT(check_removal(members, leading, leading, {NodeId{2}, NodeId{3}}).error().text,
                HasSubstr("another has to lead"));
    EXPECT_THAT(check_removal(members, leading, NodeId{9}, {NodeId{2}, NodeId{3}}).error().text,
                HasSubstr("no member"));
    // The one that is away may go.
    EXPECT_TRUE(check_removal(members, leading, NodeId{2}, {NodeId{3}}));
}

}  // namespace
}  // namespace millrace::broker::cluster
