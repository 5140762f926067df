#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/catalog/catalog_json.hpp"

namespace millrace::broker::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class CatalogTest : public ::testing::Test {
  protected:
    using Topic = Result<std::shared_ptr<const TopicInfo>>;
    Topic create(const std::string& name, std::uint32_t partitions, IfExists if_exists) {
        return changed([&](const TopicDone& done) {
            fixture.shard->catalog().create_topic(
                {.name = name, .partition_count = partitions, .settings = {}}, if_exists, done);
        });
    }
    Topic create(const std::string& name, std::uint32_t partitions = 1) {
        return create(name, partitions, IfExists::fail);
    }
    Topic alter(const TopicAlteration& change) {
        return changed(
            [&](const TopicDone& done) { fixture.shard->catalog().alter_topic(change, done); });
    }
    [[nodiscard]] Errc remove(const std::string& name) const {
        Errc code = Errc::internal;
        fixture.shard->catalog().delete_topic(
            name, [&](const Result<void>& done) { code = done ? Errc::ok : done.error().code; });
        fixture.runtime->run_until_idle();
        return code;
    }
    [[nodiscard]] Topic changed(const std::function<void(const TopicDone&)>& change) const {
        Topic answer = fail(Errc::internal, "no answer");
        change([&](const Topic& topic) { answer = topic; });
        fixture.runtime->run_until_idle();
        return answer;
    }

    ShardFixture fixture;
};

TEST_F(CatalogTest, TopicIsThereAfterAPowerLossWithAllItsSettings) {
    ASSERT_TRUE(create("a.b", 3));
    TopicAlteration change;
    change.name = "a.b";
    change.retention_ms = 1'000;
    change.criticality = Criticality::critical;
    change.durability = Durability::leader;
    change.owner = "logistics";
    ASSERT_TRUE(alter(change));
    fixture.crash();
    fixture.open();
    const auto again = create("a.b", 3, IfExists::accept);
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(again.value()->partitions.size(), 3U);
    EXPECT_EQ(again.value()->retention_ms, 1'000U);
    EXPECT_EQ(again.value()->criticality, Criticality::critical);
    EXPECT_EQ(again.value()->durability, Durability::leader);
    EXPECT_EQ(again.value()->owner, "logistics");
}

TEST_F(CatalogTest, NodesStayDrainedAcrossAPowerLossUntilTheyAreNot) {
    using ::testing::IsEmpty;
    using enum NodeDuty;
    const auto give = [this](std::uint64_t node, NodeDuty duty) {
        bool is_done = false;
        fixture.shard->catalog().set_node_duty(
            NodeId{node}, duty, [&](const Result<void>& done) { is_done = done.has_value(); });
        fixture.runtime->run_until_idle();
        return is_done;
    };
    const auto nodes = [this] { return fixture.shard->catalog().view(); };
    ASSERT_TRUE(give(2, drained) && give(3, drained) && give(3, drained) && give(4, leaving));
    EXPECT_THAT(nodes()->drained, ElementsAre(NodeId{2}, NodeId{3}, NodeId{4}));
    ASSERT_TRUE(give(2, full));
    fixture.crash();
    fixture.open();
    EXPECT_THAT(nodes()->drained, ElementsAre(NodeId{3}, NodeId{4}));
    EXPECT_THAT(nodes()->leaving, ElementsAre(NodeId{4}));
    ASSERT_TRUE(give(3, full) && give(3, full) && give(4, drained));
    EXPECT_THAT(nodes()->leaving, IsEmpty());
    fixture.crash();
    fixture.open();
    EXPECT_THAT(nodes()->drained, ElementsAre(NodeId{4}));
    EXPECT_THAT(nodes()->leaving, IsEmpty());
}

TEST_F(CatalogTest, RowOfABrokerThatKnewNoDurabilityMeansAMajority) {
    TopicInfo topic;
    topic.name = "a.b";
    topic.durability = Durability::leader;
    auto row = to_json(topic);
    EXPECT_EQ(topic_from_json(row).value().durability, Durability::leader);
    ASSERT_EQ(row.erase("durability"), 1U);
    EXPECT_EQ(topic_from_json(row).value().durability, Durability::majority);
}

TEST_F(CatalogTest, DurabilityWithoutAMeaningIsRefusedAndTheTopicStaysAsItIs) {
    ASSERT_TRUE(create("a.b"));
    TopicAlteration change;
    change.name = "a.b";
    change.durability = static_cast<Durability>(2);
    const auto refused = alter(change);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::invalid_argument);
    EXPECT_THAT(refused.error().text, HasSubstr("durability 2"));
    EXPECT_EQ(create("a.b", 1, IfExists::accept).value()->durability, Durability::majority);
}

TEST_F(CatalogTest, PartitionsGrowAndDoNotShrink) {
    ASSERT_TRUE(create("a.b", 2));
    TopicAlteration change;
    change.name = "a.b";
    change.partition_count = 5;
    const auto grown = alter(change);
    ASSERT_TRUE(grown) << grown.error().text;
    EXPECT_EQ(grown.value()->partitions.size(), 5U);
    change.partition_count = 3;
    const auto shrunk = alter(change);
    ASSERT_FALSE(shrunk);
    EXPECT_EQ(shrunk.error().code, Errc::invalid_argument);
}

TEST_F(CatalogTest, DeletedTopicIsGoneWithItsRecordsAndItsNameIsFree) {
    const auto partition = fixture.make_topic("a.b").front();
    (void)fixture.publish_now(partition, ShardFixture::batch_of("one"));
    EXPECT_EQ(remove("a.b"), Errc::ok);
    EXPECT_FALSE(fixture.shard->bounds(partition));
    EXPECT_EQ(remove("a.b"), Errc::unknown_topic);
    const auto fresh = fixture.make_topic("a.b").front();
    EXPECT_NE(fresh, partition);
    EXPECT_TRUE(fixture.values(fresh).empty());
}

TEST_F(CatalogTest, NamesThatAreTakenOrAreNoneAreRefused) {
    ASSERT_TRUE(create("a.b"));
    EXPECT_EQ(create("a.b").error().code, Errc::already_exists);
    for (const char* name : {"", ".", "a..b", "a.>", "a b", "a.*"}) {
        const auto refused = create(name);
        ASSERT_FALSE(refused) << name;
        EXPECT_EQ(refused.error().code, Errc::invalid_argument) << name;
    }
}

TEST_F(CatalogTest, TextsThatAreNotUtf8AreRefusedByTheNameOfTheirMember) {
    const std::string bad =
        "K\xfc"
        "hler";
    auto& catalog = fixture.shard->catalog();
    std::vector<std::string> refused;
    const auto refuse = [&refused](const auto& answer) {
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, Errc::invalid_argument);
        refused.push_back(answer.error().text);
    };
    ASSERT_TRUE(create("a.b"));
    catalog.create_topic(
        {.name = bad, .partition_count = 1, .settings = {}}, IfExists::fail, refuse);
    TopicAlteration topic;
    topic.name = "a.b";
    topic.description = bad;
    catalog.alter_topic(topic, refuse);
    catalog.delete_topic(bad, refuse);
    SubscriptionInfo definition;
    definition.name = "s";
    definition.topics = {"a.b", bad};
    catalog.create_subscription(definition, IfExists::fail, refuse);
    SubscriptionAlteration subscription;
    subscription.name = "s";
    subscription.filter = bad;
    catalog.alter_subscription(subscription, refuse);
    catalog.pause_subscription("s", bad, refuse);
    catalog.drain_subscription(bad, "", refuse);
    catalog.resume_subscription(bad, refuse);
    catalog.seek_subscription(bad, StartAt::earliest, 0, refuse);
    catalog.delete_subscription(bad, refuse);
    fixture.runtime->run_until_idle();
    EXPECT_THAT(refused,
                ElementsAre("name is not UTF-8",
                            "description is not UTF-8",
                            "name is not UTF-8",
                            "topics is not UTF-8",
                            "filter is not UTF-8",
                            "pause_reason is not UTF-8",
                            "name is not UTF-8",
                            "name is not UTF-8",
                            "name is not UTF-8",
                            "name is not UTF-8"));
    EXPECT_EQ(remove("a.b"), Errc::ok);
}

TEST_F(CatalogTest, BatchUnderWayWhenItsTopicIsDeletedLeavesNothingBehind) {
    const auto partition = fixture.make_topic("a.b").front();
    const auto answer = fixture.publish(partition, ShardFixture::batch_of("under way"));
    EXPECT_EQ(remove("a.b"), Errc::ok);
    EXPECT_TRUE(answer->is_there);
    fixture.runtime->advance(std::chrono::seconds(1));
    EXPECT_THAT(fixture.shard->store().partitions(), Not(Contains(partition)));
    EXPECT_EQ(fixture.shard->store().stats().live_bytes, 0U);
}

TEST_F(CatalogTest, LimitsHoldAtTheirNumberAndNameThemselves) {
    fixture.crash();
    fixture.options.topics_max = 2;
    fixture.options.partitions_max = 5;
    fixture.open();
    ASSERT_TRUE(create("a.one", 4));
    const auto partitions = create("a.two", 2);
    ASSERT_FALSE(partitions);
    EXPECT_EQ(partitions.error().code, Errc::limit_reached);
    EXPECT_THAT(partitions.error().text, HasSubstr("partitions_max"));
    ASSERT_TRUE(create("a.two", 1));
    const auto topics = create("a.three", 1);
    ASSERT_FALSE(topics);
    EXPECT_EQ(topics.error().code, Errc::limit_reached);
    EXPECT_THAT(topics.error().text, HasSubstr("topics_max"));
}

}  // namespace
}  // namespace millrace::broker::testing
