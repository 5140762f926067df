#include "broker/cluster/cluster_record.hpp"

#include <gtest/gtest.h>

namespace millrace::broker::cluster {
namespace {

TEST(ClusterRecord, KeepsWhatIsNewAndOnlyThat) {
    std::vector<ClusterFacts> kept;
    ClusterRecord record({.id = "", .members = {}},
                         [&kept](const ClusterFacts& facts) { kept.push_back(facts); });
    record.learn_id("");
    EXPECT_TRUE(kept.empty());
    record.learn_id("plant");
    record.learn_id("plant");
    ASSERT_EQ(kept.size(), 1U);
    EXPECT_EQ(record.id(), "plant");
    record.learn_members({{.node = NodeId{4}, .address = "127.0.0.1:7231"}});
    record.learn_members({{.node = NodeId{4}, .address = "127.0.0.1:7231"}});
    ASSERT_EQ(kept.size(), 2U);
    EXPECT_EQ(kept.back().id, "plant");
    EXPECT_EQ(record.members(), kept.back().members);
}

}  // namespace
}  // namespace millrace::broker::cluster
