#include "broker/cluster/cluster_nodes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::broker::cluster {
namespace {

using consensus::Member;
using ::testing::HasSubstr;

constexpr std::uint32_t shards = 2;

ClusterNodes three() {
    auto nodes = ClusterNodes::parse(
        "1=127.0.0.1:7201,2=127.0.0.1:7211,3=127.0.0.1:7221", NodeId{1}, shards);
    EXPECT_TRUE(nodes) << nodes.error().text;
    return std::move(nodes).value();
}

TEST(ClusterNodes, AddressWantsAPortForEachShard) {
    EXPECT_TRUE(ClusterNodes::parse_address("127.0.0.1:65534", shards));
    const auto last = ClusterNodes::parse_address("127.0.0.1:65535", shards);
    ASSERT_FALSE(last);
    EXPECT_THAT(last.error().text, HasSubstr("each of 2 shards"));
    EXPECT_FALSE(ClusterNodes::parse_address("127.0.0.1", shards));
    EXPECT_FALSE(ClusterNodes::parse_address("somewhere:7201", shards));
    EXPECT_FALSE(ClusterNodes::parse_address("", shards));
}

TEST(ClusterNodes, MembersThatJoinedAreFoundAndTheSettingSaysWhereAMovedOneIs) {
    auto nodes = three();
    nodes.add({{.node = NodeId{2}, .address = "127.0.0.1:9999"},
               {.node = NodeId{4}, .address = "127.0.0.1:7231"}});
    const auto all = nodes.endpoints_of(ShardId{1});
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(all.at(NodeId{2}).port, 7212);
    EXPECT_EQ(all.at(NodeId{4}).port, 7232);
    EXPECT_EQ(nodes.others_of(ShardId{0}).size(), 3U);
    EXPECT_EQ(nodes.voters().size(), 3U);  // who would found it
}

TEST(ClusterNodes, OnlyMembersHaveEndpointsAmongMembers) {
    const auto nodes = three();
    const auto some = nodes.endpoints_of(ShardId{0},
                                         {{.node = NodeId{1}, .address = "127.0.0.1:7201"},
                                          {.node = NodeId{3}, .address = "127.0.0.1:1"},
                                          {.node = NodeId{5}, .address = "127.0.0.1:7241"}});
    ASSERT_EQ(some.size(), 3U);
    EXPECT_FALSE(some.contains(NodeId{2}));
    EXPECT_EQ(some.at(NodeId{3}).port, 7221);
    EXPECT_EQ(some.at(NodeId{5}).port, 7241);
}

}  // namespace
}  // namespace millrace::broker::cluster
