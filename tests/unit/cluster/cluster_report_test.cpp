#include "broker/cluster/cluster_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace millrace::broker::cluster {
namespace {

using ::testing::HasSubstr;

constexpr NodeId self{1};

/// One shard of node 1, which leads three, of which node 2 lacks some entries.
ShardReport report_of(ShardId shard) {
    const std::uint32_t first_group = shard.value == 0 ? 0 : shard.value + 1;
    ShardReport report{
        .standing = {.leads = true, .leads_some = true, .leads_all = true, .leader = self},
        .groups = {},
        .own = peers::PeerState{.node = self, .address = "10.0.0.1:7131", .is_linked = true},
        .peers = {{.node = NodeId{2}, .address = "10.0.0.2:7131", .is_linked = true},
                  {.node = NodeId{3}, .address = "10.0.0.3:7131", .is_linked = true}}};
    for (auto group = first_group; group <= shard.value + 1; ++group) {
        report.groups.push_back(
            {.group = GroupId{group},
             .role = {.leads = true, .leader = self, .term = RaftTerm{4}},
             .last = RaftIndex{5'000},
             .applied = RaftIndex{5'000},
             .replicas = {{.node = NodeId{2}, .match = RaftIndex{4'990}, .is_behind = false},
                          {.node = NodeId{3}, .match = RaftIndex{5'000}, .is_behind = false}},
             .members = {{.node = self}, {.node = NodeId{2}}, {.node = NodeId{3}}}});
    }
    return report;
}

struct ClusterReportTest : ::testing::Test {
    std::vector<ShardReport> shards{report_of(ShardId{0}), report_of(ShardId{1})};
    [[nodiscard]] ClusterReport merged() const { return merge_reports(self, shards); }
    [[nodiscard]] Error refusal(NodeId to) const {
        const auto checked = check_successor(merged(), to);
        return checked ? Error{} : checked.error();
    }
};

TEST_F(ClusterReportTest, ANodeIsLinkedWhenAllItsShardsAre) {
    EXPECT_TRUE(merged().peers[1].is_linked);
    shards[1].peers[1].is_linked = false;
    EXPECT_FALSE(merged().peers[1].is_linked);
    EXPECT_TRUE(merged().peers[0].is_linked);
}

TEST_F(ClusterReportTest, ADrainedNodeGetsTheLeadOnlyWhereNobodyElseCan) {
    ASSERT_EQ(best_successor(merged()), NodeId{3}) << "it lacks nothing";
    shards[0].drained = {NodeId{3}};
    EXPECT_EQ(best_successor(merged()), NodeId{2});
    EXPECT_EQ(refusal(NodeId{3}).code, Errc::conflict);
    EXPECT_THAT(refusal(NodeId{3}).text, HasSubstr("is drained"));
    EXPECT_TRUE(check_successor(merged(), NodeId{2}));
    shards[1].peers[0].is_linked = false;
    EXPECT_EQ(best_successor(merged()), NodeId{3});
    const auto json = nlohmann::json::parse(format_report(merged()));
    EXPECT_FALSE(json.at("drained").get<bool>());
    EXPECT_FALSE(json.at("nodes").at(0).at("drained").get<bool>());
    EXPECT_TRUE(json.at("nodes").at(1).at("drained").get<bool>());
}

TEST_F(ClusterReportTest, ANodeLeadsWhenAllItsShardsDo) {
    EXPECT_TRUE(merged().leads);
    shards[1].standing.leads = false;
    EXPECT_FALSE(merged().leads);
    EXPECT_EQ(merged().leader, self);
}

TEST_F(ClusterReportTest, JsonListsGroupsWithTheirShardAndTheOthersAsNodes) {
    const auto json = nlohmann::json::parse(format_report(merged()));
    EXPECT_EQ(json["role"], "leads");
    EXPECT_EQ(json["nodes"].size(), 2U);
    ASSERT_EQ(json["groups"].size(), 3U);
    EXPECT_EQ(json["groups"][2]["shard"], 1);
    EXPECT_EQ(json["groups"][2]["replicas"][0]["match"], 4'990);
}

TEST_F(ClusterReportTest, JsonHasTheLabelsOfEachNode) {
    shards[0].own->labels = {{"rack", "a"}};
    shards[0].peers[1].labels = {{"rack", "c"}, {"plant", "1"}};
    const auto json = nlohmann::json::parse(format_report(merged()));
    EXPECT_EQ(json["labels"].dump(), R"({"rack":"a"})");
    EXPECT_EQ(json["nodes"][0]["labels"].dump(), "{}");
    EXPECT_EQ(json["nodes"][1]["labels"].dump(), R"({"plant":"1","rack":"c"})");
}

TEST_F(ClusterReportTest, TheLeadGoesToOneThatIsLinkedAndNearlyUpToDate) {
    EXPECT_TRUE(check_successor(merged(), NodeId{2}));
    EXPECT_TRUE(check_successor(merged(), NodeId{3}));
}

TEST_F(ClusterReportTest, TheLeadDoesNotGoToANodeOfNoCluster) {
    EXPECT_EQ(refusal(NodeId{9}).code, Errc::not_found);
    EXPECT_THAT(refusal(NodeId{9}).text, HasSubstr("node 9 is not in cluster_nodes of node 1"));
}

TEST_F(ClusterReportTest, TheLeadDoesNotGoToANodeThatIsGone) {
    shards[1].peers[0].is_linked = false;
    EXPECT_EQ(refusal(NodeId{2}).code, Errc::unavailable);
    EXPECT_THAT(refusal(NodeId{2}).text, HasSubstr("node 2 is not linked to node 1"));
}

TEST_F(ClusterReportTest, TheLeadDoesNotGoToANodeThatIsFarBehind) {
    shards[1].groups[0].replicas[0].is_behind = true;
    EXPECT_EQ(refusal(NodeId{2}).code, Errc::unavailable);
    EXPECT_THAT(refusal(NodeId{2}).text, HasSubstr("is far behind in group 2"));
}

TEST_F(ClusterReportTest, TheLeadDoesNotGoToANodeThatIsNoVoterYet) {
    shards[1].groups[0].replicas[0].votes = false;
    EXPECT_EQ(refusal(NodeId{2}).code, Errc::unavailable);
    EXPECT_THAT(refusal(NodeId{2}).text, HasSubstr("node 2 is no voter of group 2"));
    EXPECT_EQ(best_successor(merged()), NodeId{3});
}

TEST_F(ClusterReportTest, TheLeadDoesNotGoToANodeThatStandsBy) {
    auto& first = shards[0].groups[0];
    first.members[1].role = consensus::MemberRole::standby;
    first.replicas[0].votes = false;
    shards[0].wanted = first.members;
    EXPECT_EQ(refusal(NodeId{2}).code, Errc::conflict);
    EXPECT_THAT(refusal(NodeId{2}).text, HasSubstr("node 2 stands by and does not vote"));
    EXPECT_EQ(best_successor(merged()), NodeId{3});
    // One that was chosen will vote in a moment.
    shards[0].wanted[1].role = consensus::MemberRole::voter;
    EXPECT_EQ(refusal(NodeId{2}).code, Errc::unavailable);
    EXPECT_THAT(refusal(NodeId{2}).text, HasSubstr("no voter of group 0 yet"));
}

TEST_F(ClusterReportTest, JsonHasWhatEachNodeIsInTheFirstGroup) {
    auto& first = shards[0].groups[0];
    first.members[1].role = consensus::MemberRole::standby;
    first.members.pop_back();
    shards[0].wanted = first.members;
    const auto json = nlohmann::json::parse(format_report(merged()));
    EXPECT_EQ(json["member"], "voter");
    EXPECT_EQ(json["nodes"][0]["member"], "standby");
    EXPECT_EQ(json["nodes"][0]["to_vote"], false);
    EXPECT_EQ(json["nodes"][1]["member"], nullptr);
}

TEST_F(ClusterReportTest, TheLeadDoesNotGoToANodeThatLacksMuch) {
    auto& replica = shards[0].groups[1].replicas[0];
    replica.match = RaftIndex{5'000 - handover_entries_max};
    EXPECT_TRUE(check_successor(merged(), NodeId{2}));
    replica.match = RaftIndex{5'000 - handover_entries_max - 1};
    EXPECT_EQ(refusal(NodeId{2}).code, Errc::unavailable);
    EXPECT_THAT(refusal(NodeId{2}).text, HasSubstr("lacks 1001 entries of group 1"));
}

TEST_F(ClusterReportTest, AFollowerHasNoLeadToGive) {
    for (auto& shard : shards) {
        for (auto& group : shard.groups) {
            group.replicas.clear();
        }
    }
    EXPECT_EQ(refusal(NodeId{2}).code, Errc::not_leader);
    EXPECT_FALSE(best_successor(merged()));
}

TEST_F(ClusterReportTest, TheBestSuccessorLacksLeast) {
    EXPECT_EQ(best_successor(merged()), NodeId{3});
    shards[0].peers[1].is_linked = false;
    EXPECT_EQ(best_successor(merged()), NodeId{2});
    shards[0].groups[0].replicas[0].is_behind = true;
    EXPECT_FALSE(best_successor(merged()));
}

}  // namespace
}  // namespace millrace::broker::cluster
