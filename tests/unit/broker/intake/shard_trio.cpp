#include "tests/unit/broker/intake/shard_trio.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace millrace::broker::testing {
namespace {

constexpr Duration clock_step{10'000};
constexpr Duration look_interval{100'000};

}  // namespace

class ShardTrio::Links final : public consensus::PeerLinks {
  public:
    Links(ShardTrio& cluster, NodeId from) : cluster_(cluster), from_(from) {}
    bool send(NodeId to, GroupId group, std::vector<std::byte> message) override {
        if (cluster_.cut_.contains(from_) || cluster_.cut_.contains(to)) {
            return false;
        }
        cluster_.network_.push_back(
            {.from = from_, .to = to, .group = group, .bytes = std::move(message)});
        return true;
    }

  private:
    ShardTrio& cluster_;
    NodeId from_;
};

double ShardTrio::Node::metric(const std::string& name) const {
    const auto samples = metrics.samples();
    const auto found =
        std::ranges::find_if(samples, [&](const auto& sample) { return sample.name == name; });
    return found == samples.end() ? -1.0 : found->value;
}

ShardTrio::ShardTrio() {
    std::vector<consensus::Voter> voters;
    for (std::uint64_t id = 1; id <= 3; ++id) {
        voters.push_back({.node = NodeId{id}, .address = "node" + std::to_string(id)});
    }
    for (std::uint64_t id = 1; id <= 3; ++id) {
        auto& node = *nodes.emplace_back(std::make_unique<Node>(NodeId{id}, clock));
        node.links = std::make_unique<Links>(*this, NodeId{id});
        ShardOptions options;
        options.node = NodeId{id};
        options.random_seed = id;
        options.store.directory = "/data/shard-00";
        options.store.segment_bytes = 1_MiB;
        options.store.commit_bytes_max = 256_KiB;
        options.store.disk_reserve_bytes = 0;
        options.store.index_in_memory = true;
        options.store.background_inline = true;
        options.cluster = ShardCluster{
            .voters = voters, .links = node.links.get(), .address = "node" + std::to_string(id)};
        node.shard = make_shard(options, *node.runtime, node.metrics, node.table);
        node.table.shards = {node.shard.get()};
        const auto opened = node.shard->open();
        EXPECT_TRUE(opened) << opened.error().text;
        const auto founded = node.shard->found();
        EXPECT_TRUE(founded) << founded.error().text;
    }
}

ShardTrio::~ShardTrio() = default;

void ShardTrio::let_serve(Node& node) {
    if (!node.serves && node.shard->standing().leads) {
        node.serves = true;
        node.shard->serve();
    }
}

bool ShardTrio::turn() {
    bool happened = !network_.empty();
    for (const auto& message : std::exchange(network_, {})) {
        nodes[message.to.value - 1]->shard->receive(message.from, message.group, message.bytes);
    }
    for (const auto& node : nodes) {
        happened = node->runtime->turn() > 0 || happened;
        let_serve(*node);
    }
    return happened;
}

void ShardTrio::run(Duration time) {
    for (const auto end = clock.steady_now() + time; clock.steady_now() < end;) {
        while (turn()) {
        }
        clock.advance(clock_step);
    }
}

ShardTrio::Node& ShardTrio::leader() {
    const auto leads = [](const auto& node) {
        return node->serves && node->shard->standing().leads;
    };
    for (int i = 0; i < 200 && std::ranges::none_of(nodes, leads); ++i) {
        run(look_interval);
    }
    const auto found = std::ranges::find_if(nodes, leads);
    EXPECT_NE(found, nodes.end());
    return **found;
}

void ShardTrio::leave_alone(const Node& leader) {
    for (const auto& node : nodes) {
        if (node->id != leader.id) {
            cut(node->id);
        }
    }
}

PartitionId ShardTrio::make_topic(const std::string& name, Durability durability) {
    PartitionId made;
    TopicSpec spec{.name = name, .partition_count = 1, .settings = {}};
    spec.settings.durability = durability;
    leader().shard->catalog().create_topic(
        spec, IfExists::fail, [&](const Result<std::shared_ptr<const TopicInfo>>& topic) {
            ASSERT_TRUE(topic) << topic.error().text;
            made = topic.value()->partitions.front().id;
        });
    run(look_interval);
    EXPECT_NE(made, PartitionId{});
    return made;
}

std::shared_ptr<ShardTrio::Answer> ShardTrio::publish(Node& node,
                                                      PartitionId partition,
                                                      const std::vector<std::byte>& batch) {
    auto answer = std::make_shared<Answer>();
    const PublishBatch one{.partition = partition, .batch = batch};
    node.shard->publish({&one, 1},
                        [answer](const std::vector<PublishOutcome>& outcomes, const std::string&) {
                            *answer = {.is_there = true, .outcome = outcomes.front()};
                        });
    return answer;
}

}  // namespace millrace::broker::testing
