#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/catalog/catalog_service.hpp"
#include "broker/runtime/manual_runtime.hpp"
#include "broker/shard/shard.hpp"
#include "storage/io/sim_disk.hpp"

namespace millrace::broker::testing {

/// Shard 0 of three nodes, each over a simulated disk, and the network between them, which loses
/// what is cut. One that leads serves; one that has served and leads no more is not made anew.
class ShardTrio {
  public:
    ShardTrio();
    ShardTrio(const ShardTrio&) = delete;
    ShardTrio& operator=(const ShardTrio&) = delete;
    ShardTrio(ShardTrio&&) = delete;
    ShardTrio& operator=(ShardTrio&&) = delete;
    ~ShardTrio();

    struct Node {
        explicit Node(NodeId number, ManualClock& clock) : id(number), disk(number.value) {
            runtime = std::make_unique<ManualRuntime>(clock, disk);
        }
        NodeId id;
        storage::SimDisk disk;
        std::unique_ptr<ManualRuntime> runtime;
        MetricsRegistry metrics;
        ShardTable table;
        std::unique_ptr<consensus::PeerLinks> links;
        std::unique_ptr<Shard> shard;
        bool serves = false;
        [[nodiscard]] double metric(const std::string& name) const;
    };

    /// Everything that happens in this time.
    void run(Duration time);
    /// The node that leads and serves; waits for one. **Requires** that one comes.
    Node& leader();
    void cut(NodeId node) { cut_.insert(node); }
    void heal() { cut_.clear(); }
    /// Nobody but the leader is cut off, each for itself.
    void leave_alone(const Node& leader);
    /// Its only partition.
    PartitionId make_topic(const std::string& name, Durability durability);

    struct Answer {
        bool is_there = false;
        PublishOutcome outcome;
    };
    std::shared_ptr<Answer> publish(Node& node,
                                    PartitionId partition,
                                    const std::vector<std::byte>& batch);

    ManualClock clock;
    std::vector<std::unique_ptr<Node>> nodes;

  private:
    struct Message {
        NodeId from;
        NodeId to;
        GroupId group;
        std::vector<std::byte> bytes;
    };
    class Links;
    bool turn();
    void let_serve(Node& node);

    std::deque<Message> network_;
    std::set<NodeId> cut_;
};

}  // namespace millrace::broker::testing
