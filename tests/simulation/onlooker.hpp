#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "tests/simulation/delivery_model.hpp"
#include "tests/simulation/log_records.hpp"
#include "tests/unit/broker/shard_fixture.hpp"

#include "broker/delivery/delivery_shard.hpp"

namespace millrace::simulation {

/// A second subscription to the same topic, which takes and acknowledges everything. What happens
/// to the letters and the replays of the first must not reach it: it gets each record until its ack
/// is answered, then never again, and nothing of another topic.
class Onlooker {
  public:
    /// **Requires** `fixture` to outlive it.
    Onlooker(broker::testing::ShardFixture& fixture, std::vector<PartitionId> partitions);

    void create_subscription() const;
    /// The broker has started.
    void start(broker::delivery::DeliveryShard& delivery);
    /// Acknowledges what has come since.
    void ack();
    /// Retention has taken everything before `first`, which need not come any more, although a
    /// crash may bring it back into the log.
    void retire(PartitionId partition, Offset first);
    /// Everything that lies in the log must be settled.
    void check_drained();
    [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

  private:
    void check_settled(const LogRecord& record);
    class Consumer;
    void take(const Delivery& delivery);

    broker::testing::ShardFixture& fixture_;
    std::vector<PartitionId> partitions_;
    broker::delivery::DeliveryShard* delivery_ = nullptr;
    std::shared_ptr<Consumer> consumer_;
    std::map<std::uint64_t, RecordId> waiting_;  ///< deliveries that are not acknowledged
    std::set<RecordId> asked_;                   ///< acknowledged, without an answer
    std::set<RecordId> may_be_settled_;          ///< the power went before the answer
    std::set<RecordId> settled_;
    std::map<PartitionId, Offset> first_;  ///< that retention has never taken
    std::uint64_t life_ = 0;               ///< answers of an earlier life do not count
    std::vector<std::string> violations_;
};

}  // namespace millrace::simulation
