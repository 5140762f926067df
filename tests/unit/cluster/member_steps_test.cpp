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
    const std::vector wanted{member(1), member(2)};
    EXPECT_FALSE(
        next_member_change(status, leading, wanted, {.linked = {NodeId{2}}, .filled = {}}));
    const auto change = next_member_change(status, leading, wanted, all_of({2}));
    ASSERT_TRUE(change);
    EXPECT_EQ(change->role, MemberRole::standby);
}

TEST(MemberSteps, StandbyVotesWhenLittleIsLeft) {
    auto status = group({member(1), member(2, MemberRole::standby)});
    const std::vector wanted{member(1), member(2)};
    const auto ready = all_of({2});
    status.replicas[0].match = RaftIndex{3'999};
    EXPECT_FALSE(next_member_change(status, leading, wanted, ready));
    status.replicas[0].match = RaftIndex{4'000};
    const auto change = next_member_change(status, leading, wanted, ready);
    ASSERT_TRUE(change);
    EXPECT_EQ(change->role, MemberRole::voter);
    EXPECT_FALSE(next_member_change(status, leading, wanted, {}));
    status.replicas[0].is_behind = true;
    EXPECT_FALSE(next_member_change(status, leading, wanted, ready));
}

TEST(MemberSteps, OneThatIsNotWantedLeavesFirstAndTheLeaderNever) {
    const auto change = next_member_change(
        group({member(1), member(2), member(3, MemberRole::spare)}), leading, {member(3)}, {});
    ASSERT_TRUE(change);
    EXPECT_EQ(change->node, NodeId{2});
    EXPECT_FALSE(change->role);
    EXPECT_FALSE(next_member_change(group({member(1)}), leading, {}, {}));
}

TEST(MemberSteps, StandbyThatIsToStayOneDoes) {
    const std::vector members{member(1), member(2, MemberRole::standby)};
    EXPECT_FALSE(next_member_change(group(members), leading, members, all_of({2})));
}

constexpr auto as_voter = MemberRole::voter;
constexpr auto as_standby = MemberRole::standby;

/// Node 4 is to vote instead of node 3.
const std::vector four_for_three{member(1), member(2), member(3, as_standby), member(4)};

TEST(MemberSteps, AnotherVotesBeforeAVoterStandsBy) {
    const auto ready = all_of({2, 3, 4});
    const auto first =
        next_member_change(group({member(1), member(2), member(3), member(4, as_standby)}),
                           leading,
                           four_for_three,
                           ready);
    ASSERT_TRUE(first);
    EXPECT_EQ(first->node, NodeId{4});
    EXPECT_EQ(first->role, as_voter);
    const auto second = next_member_change(
        group({member(1), member(2), member(3), member(4)}), leading, four_for_three, ready);
    ASSERT_TRUE(second);
    EXPECT_EQ(second->node, NodeId{3});
    EXPECT_EQ(second->role, as_standby);
    EXPECT_FALSE(next_member_change(group(four_for_three), leading, four_for_three, ready));
}

TEST(MemberSteps, VoterStandsByOnlyWhileThoseThatGoOnAreThere) {
    const auto status = group({member(1), member(2), member(3), member(4)});
    EXPECT_FALSE(next_member_change(status, leading, four_for_three, all_of({3, 4})))
        << "it is there and node 2 is not: it may be needed";
    EXPECT_FALSE(next_member_change(status, leading, four_for_three, all_of({})));
    const auto change = next_member_change(status, leading, four_for_three, all_of({4}));
    ASSERT_TRUE(change) << "it helps nobody";
    EXPECT_EQ(change->node, NodeId{3});
    EXPECT_EQ(change->role, as_standby);
    auto lagging = status;
    lagging.replicas[0].is_behind = true;
    EXPECT_FALSE(next_member_change(lagging, leading, four_for_three, all_of({2, 3, 4})))
        << "node 2 has to be copied first";
}

TEST(MemberSteps, WhoIsAwayStandsByFirstAndTheLeaderNever) {
    const auto status = group({member(1), member(2), member(3), member(4), member(5)});
    const std::vector wanted{
        member(1, as_standby), member(2, as_standby), member(3, as_standby), member(4), member(5)};
    const auto away = next_member_change(status, leading, wanted, all_of({3, 4, 5}));
    ASSERT_TRUE(away);
    EXPECT_EQ(away->node, NodeId{2});
    const auto there = next_member_change(status, leading, wanted, all_of({2, 3, 4, 5}));
    ASSERT_TRUE(there);
    EXPECT_EQ(there->node, NodeId{3});
    const std::vector two{member(1, as_standby), member(2)};
    EXPECT_FALSE(next_member_change(group({member(1), member(2)}), leading, two, all_of({2})));
}

TEST(MemberSteps, WhoIsToLeadIsMadeAVoter) {
    auto status = group({member(1), member(2), member(3, as_standby)});
    const auto change = step_to_lead(status, leading, NodeId{3}, all_of({2, 3}));
    ASSERT_TRUE(change);
    EXPECT_EQ(change->node, NodeId{3});
    EXPECT_EQ(change->role, as_voter);
    EXPECT_FALSE(step_to_lead(status, leading, NodeId{2}, all_of({2, 3}))) << "it votes";
    EXPECT_FALSE(step_to_lead(status, leading, NodeId{9}, all_of({2, 3}))) << "no member";
    EXPECT_FALSE(step_to_lead(status, leading, NodeId{}, all_of({2, 3}))) << "anybody";
    EXPECT_FALSE(step_to_lead(status, leading, NodeId{3}, all_of({2})));
    status.members[2].role = MemberRole::spare;
    EXPECT_EQ(step_to_lead(status, leading, NodeId{3}, all_of({3}))->role, as_standby);
    EXPECT_FALSE(step_to_lead(status, leading, NodeId{3}, {.linked = {NodeId{3}}, .filled = {}}));
}

TEST(MemberSteps, SomebodyIsLeftWhoMayLeadWhenOthersAreDrained) {
    consensus::GroupStatus status;
    status.role.leads = true;
    status.members = {member(1), member(2), member(3)};
    EXPECT_TRUE(check_drain(status, leading, {}));
    EXPECT_TRUE(check_drain(status, NodeId{2}, {NodeId{2}, NodeId{3}})) << "again";
    const auto all = check_drain(status, leading, {NodeId{2}, NodeId{3}});
    ASSERT_FALSE(all);
    EXPECT_EQ(all.error().code, Errc::conflict);
    EXPECT_THAT(all.error().text, HasSubstr("all others are drained"));
    EXPECT_THAT(check_drain(status, NodeId{9}, {}).error().text, HasSubstr("no member"));
    status.role.leads = false;
    EXPECT_EQ(check_drain(status, NodeId{2}, {}).error().code, Errc::not_leader);
}

TEST(MemberSteps, NobodyIsRemovedWhoIsNeededForAMajority) {
    const std::vector members{member(1), member(2), member(3)};
    EXPECT_TRUE(check_removal(members, leading, NodeId{3}, {NodeId{2}}));
    const auto refused = check_removal(members, leading, NodeId{3}, {NodeId{3}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::conflict);
    EXPECT_THAT(refused.error().text, HasSubstr("2 is away"));
    EXPECT_TRUE(check_removal(members, leading, leading, {NodeId{2}, NodeId{3}}));
    EXPECT_THAT(check_removal(members, leading, leading, {NodeId{3}}).error().text,
                HasSubstr("2 is away"));
    EXPECT_THAT(check_removal({member(1)}, leading, leading, {}).error().text,
                HasSubstr("the only one that votes"));
    EXPECT_THAT(check_removal(members, leading, NodeId{9}, {NodeId{2}, NodeId{3}}).error().text,
                HasSubstr("no member"));
    // The one that is away may go.
    EXPECT_TRUE(check_removal(members, leading, NodeId{2}, {NodeId{3}}));
}

}  // namespace
}  // namespace millrace::broker::cluster
