#include "client/cli/cluster/cluster_health.hpp"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "client/cli/cluster/cluster_views.hpp"

namespace millrace::cli {
namespace {

using testing::HasSubstr;

/// Three nodes of which node 2 was asked and leads; all have everything.
ClusterStatus three_nodes() {
    ClusterStatus status{
        .node_id = 2, .clustered = true, .leads = true, .leader = 2, .nodes = {}, .groups = {}};
    for (const std::uint64_t node : {1U, 2U, 3U}) {
        status.nodes.push_back({.node = node,
                                .address = "10.0.0." + std::to_string(node) + ":7131",
                                .linked = true,
                                .native = "10.0.0." + std::to_string(node) + ":7117",
                                .http = ""});
    }
    for (const std::uint32_t group : {0U, 1U}) {
        status.groups.push_back({.group = group,
                                 .shard = 0,
                                 .leads = true,
                                 .leader = 2,
                                 .term = 4,
                                 .last = 5'000,
                                 .applied = 5'000,
                                 .replicas = {{.node = 1, .match = 5'000, .behind = false},
                                              {.node = 3, .match = 5'000, .behind = false}}});
    }
    return status;
}

/// Node 4 beside three that vote.
ClusterStatus with_fourth(ClusterMember member, const ClusterReplica& replica) {
    auto status = three_nodes();
    status.nodes.push_back(
        {.node = 4, .address = "", .linked = true, .native = "", .voter = false, .member = member});
    for (auto& group : status.groups) {
        group.replicas.push_back(replica);
    }
    return status;
}

ClusterStatus with_standby() {
    return with_fourth(ClusterMember::standby, {.node = 4, .match = 5'000, .behind = false});
}

TEST(ClusterHealth, AllUpToDateIsWell) {
    const auto health = health_of(three_nodes());
    EXPECT_EQ(health.sentence, "3 nodes, node 2 leads, all up to date");
    EXPECT_EQ(health.code, ExitCode::ok);
}

TEST(ClusterHealth, ANodeThatStandsAloneIsWellAndSaysSo) {
    const ClusterStatus alone{
        .node_id = 1, .clustered = false, .leads = true, .leader = 1, .nodes = {}, .groups = {}};
    EXPECT_EQ(health_of(alone).sentence, "node 1 stands alone, it is no part of a cluster");
    EXPECT_EQ(health_of(alone).code, ExitCode::ok);
}

TEST(ClusterHealth, SomeEntriesOnTheirWayAreNoLag) {
    auto status = three_nodes();
    status.groups[1].replicas[0].match -= late_entries_max;
    EXPECT_EQ(health_of(status).code, ExitCode::ok);
    status.groups[1].replicas[0].match -= 1;
    const auto health = health_of(status);
    EXPECT_EQ(health.sentence, "3 nodes, node 2 leads, node 1 lacks 101 entries");
    EXPECT_EQ(health.code, ExitCode::partly);
}

TEST(ClusterHealth, AMissingReplicaLeavesNoneToSpare) {
    auto status = three_nodes();
    status.nodes[2].linked = false;
    const auto health = health_of(status);
    EXPECT_EQ(health.sentence,
              "3 nodes, node 2 leads, node 3 is not linked to node 2: no further node may go");
    EXPECT_EQ(health.code, ExitCode::partly);
}

TEST(ClusterHealth, OneThatIsFarBehindDoesNotCountAsThere) {
    auto status = three_nodes();
    status.groups[0].replicas[1].behind = true;
    const auto health = health_of(status);
    EXPECT_EQ(health.sentence,
              "3 nodes, node 2 leads, node 3 is far behind: no further node may go");
    EXPECT_EQ(health.code, ExitCode::partly);
}

TEST(ClusterHealth, OneThatJoinsDoesNotCountInMajorities) {
    auto status = with_fourth(ClusterMember::spare, {.node = 4, .match = 0, .behind = true});
    EXPECT_EQ(health_of(status).sentence, "4 nodes, node 2 leads, node 4 is no voter yet");
    EXPECT_EQ(health_of(status).code, ExitCode::partly);
    status.nodes[0].linked = false;
    EXPECT_EQ(health_of(status).sentence,
              "4 nodes, node 2 leads, node 1 is not linked to node 2, node 4 is no voter yet: no "
              "further node may go");
}

TEST(ClusterHealth, AStandbyThatHasEverythingIsWell) {
    auto status = with_standby();
    EXPECT_EQ(health_of(status).sentence,
              "4 nodes, node 2 leads, node 4 stands by, all up to date");
    EXPECT_EQ(health_of(status).code, ExitCode::ok);
    status.groups[0].replicas[2].match -= late_entries_max + 1;
    EXPECT_EQ(health_of(status).sentence,
              "4 nodes, node 2 leads, node 4 stands by, node 4 lacks 101 entries");
    EXPECT_EQ(health_of(status).code, ExitCode::partly);
}

TEST(ClusterHealth, AStandbyThatIsToVoteIsNotWellYet) {
    auto status = with_standby();
    status.nodes[3].to_vote = true;
    EXPECT_EQ(health_of(status).sentence, "4 nodes, node 2 leads, node 4 is no voter yet");
    EXPECT_EQ(health_of(status).code, ExitCode::partly);
}

TEST(ClusterHealth, AStandbyDoesNotCountInMajorities) {
    auto status = with_standby();
    status.nodes[0].linked = false;
    status.nodes[2].linked = false;
    EXPECT_EQ(health_of(status).code, ExitCode::retryable) << health_of(status).sentence;
}

TEST(ClusterHealth, WithoutAMajorityItIsDown) {
    auto status = three_nodes();
    status.nodes[0].linked = false;
    status.nodes[2].linked = false;
    const auto health = health_of(status);
    EXPECT_EQ(health.sentence,
              "3 nodes, node 2 leads, nodes 1 and 3 are not linked to node 2: a majority is "
              "missing");
    EXPECT_EQ(health.code, ExitCode::retryable);
}

TEST(ClusterHealth, WithoutALeaderItIsDown) {
    auto status = three_nodes();
    status.leads = false;
    status.leader = 0;
    EXPECT_EQ(health_of(status).sentence, "3 nodes, no node leads");
    EXPECT_EQ(health_of(status).code, ExitCode::retryable);
}

TEST(ClusterHealth, OneThatWasElectedAndDoesNotServeIsNotWellYet) {
    auto status = three_nodes();
    status.leads = false;
    EXPECT_EQ(health_of(status).sentence, "3 nodes, node 2 leads and does not serve yet");
    EXPECT_EQ(health_of(status).code, ExitCode::retryable);
}

TEST(ClusterHealth, AFollowersWordAloneIsNotWell) {
    auto status = three_nodes();
    status.node_id = 1;
    status.leads = false;
    for (auto& group : status.groups) {
        group.replicas.clear();
    }
    EXPECT_THAT(health_of(status).sentence, HasSubstr("it could not be asked"));
    EXPECT_EQ(health_of(status).code, ExitCode::partly);
    EXPECT_FALSE(lag_of(status, 3).has_value());
}

TEST(ClusterViews, GroupsHaveAColumnForEachNode) {
    auto status = three_nodes();
    status.groups[1].replicas[0].match = 4'990;
    status.groups[1].replicas[1].match = 1'200;
    status.groups[1].replicas[1].behind = true;
    std::ostringstream out;
    print_groups(out, status);
    EXPECT_EQ(
        out.str(),
        "GROUP    SHARD  TERM   LAST  APPLIED       NODE 1  NODE 2                      NODE 3\n"
        "catalog      0     4  5,000    5,000        5,000   leads                       5,000\n"
        "data 1       0     4  5,000    5,000  4,990 (-10)   leads  1,200 (-3,800, far behind)\n");
}

TEST(ClusterViews, AStandbyIsShownAsOne) {
    std::ostringstream groups;
    print_groups(groups, with_standby());
    EXPECT_THAT(groups.str(), HasSubstr("NODE 3  NODE 4 (standby)\n"));
    std::ostringstream nodes;
    print_nodes(nodes, with_standby());
    EXPECT_THAT(nodes.str(), HasSubstr("   4  standby      0  "));
    const auto json = nodes_to_json(with_standby());
    EXPECT_EQ(json[3]["role"], "standby");
    EXPECT_EQ(json[3]["member"], "standby");
    EXPECT_EQ(json[0]["member"], "voter");
}

TEST(ClusterViews, NodesShowWhatIsNotKnownAsADash) {
    auto status = three_nodes();
    status.nodes[2].linked = false;
    status.nodes[0].labels = {{"rack", "a"}, {"plant", "1"}};
    std::ostringstream out;
    print_nodes(out, status);
    EXPECT_THAT(out.str(), HasSubstr("  10.0.0.1:7117  -     plant=1,rack=a\n"));
    EXPECT_THAT(out.str(),
                HasSubstr("   2  leads        0  10.0.0.2:7131  10.0.0.2:7117  -     -\n"));
    EXPECT_THAT(out.str(), HasSubstr("   3  missing      0  "));
}

TEST(ClusterViews, JsonHasTheHealthAndWhatEachNodeLacks) {
    auto status = three_nodes();
    status.nodes[0].labels = {{"rack", "a"}};
    status.groups[0].replicas[1].match = 4'000;
    const auto json = to_json(status, health_of(status));
    EXPECT_EQ(json["leader"], 2);
    EXPECT_EQ(json["healthy"], false);
    EXPECT_EQ(json["nodes"][2]["lacks"], 1'000);
    EXPECT_EQ(json["nodes"][0]["labels"].dump(), R"({"rack":"a"})");
    EXPECT_EQ(json["groups"][0]["replicas"][1]["lacks"], 1'000);
    EXPECT_EQ(json["health"], "3 nodes, node 2 leads, node 3 lacks 1,000 entries");
}

}  // namespace
}  // namespace millrace::cli
