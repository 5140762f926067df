#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulation/cluster/publisher.hpp"
#include "tests/simulation/cluster/record_history.hpp"
#include "tests/simulation/cluster/sim_node.hpp"

#include "broker/delivery/subscriptions.hpp"

namespace millrace::simulation::cluster {

/// The one consumer of a queue subscription, which goes to whoever leads and acks everything.
///
/// Promise:  notes when what it has acked, and was told so, is delivered again by a node that
/// leads, when two records of a key are out at once, and at the end what was never delivered.
class QueueConsumer {
  public:
    struct Surroundings {
        Stage& stage;
        Nodes& nodes;
        RecordHistory& history;
        std::function<bool(const SimNode&)> is_newest;
    };
    QueueConsumer(std::string subscription, Surroundings around)
        : subscription_(std::move(subscription)), around_(std::move(around)) {}

    void add_partition(PartitionId partition) { partitions_.push_back(partition); }
    void start();
    /// All that was read of the topic is settled, as far as this consumer can know.
    [[nodiscard]] bool has_everything() const { return missing().empty(); }
    void check_end();
    [[nodiscard]] std::uint64_t deliveries() const { return deliveries_; }

  private:
    using RecordId = std::pair<PartitionId, Offset>;
    using Deliveries = std::vector<std::pair<std::uint64_t, RecordId>>;
    class Target;
    struct Session {
        SimNode* node = nullptr;
        std::uint64_t life = 0;
        std::uint64_t id = 0;
        std::shared_ptr<Target> target;
        std::map<std::uint64_t, RecordId> waiting;                   ///< by delivery: not acked yet
        std::map<std::pair<PartitionId, std::string>, Offset> keys;  ///< of those
    };

    void think();
    void open(SimNode& node);
    void take(const broker::delivery::Delivery& delivery);
    void ack_some();
    void settle(SimNode& node,
                std::uint64_t session,
                const broker::delivery::Settlement& settlement,
                const Deliveries& asked);
    void settled(const Deliveries& asked, const Result<std::vector<std::uint64_t>>& stale);
    [[nodiscard]] std::vector<RecordId> missing() const;

    std::string subscription_;
    Surroundings around_;
    std::vector<PartitionId> partitions_;
    std::uint64_t last_session_ = 0;
    std::unique_ptr<Session> session_;
    std::set<RecordId> asked_;    ///< acked, whatever was answered
    std::set<RecordId> settled_;  ///< answered
    std::uint64_t deliveries_ = 0;
};

}  // namespace millrace::simulation::cluster
