#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/catalog/catalog_service.hpp"
#include "broker/runtime/manual_runtime.hpp"
#include "broker/shard/shard.hpp"
#include "storage/io/sim_disk.hpp"

namespace millrace::broker::testing {

/// One shard over a simulated disk, with a clock and a runtime that stand still until told.
class ShardFixture {
  public:
    /// `prepare` sees every new shard before it opens: delivery is made then.
    explicit ShardFixture(std::uint64_t seed = 1, std::function<void(Shard&)> prepare = {});

    /// Opens or opens again. Errors fail the test.
    void open();
    /// Power loss: what was not durable is lost in part.
    void crash();

    /// The partitions of a new topic.
    std::vector<PartitionId> make_topic(const std::string& name,
                                        std::uint32_t partitions = 1) const;
    [[nodiscard]] static std::vector<std::byte> batch_of(const std::string& value,
                                                         std::int64_t producer = -1,
                                                         std::int32_t sequence = -1);
    struct Answer {
        bool is_there = false;
        PublishOutcome outcome;
        std::string text;
    };
    /// Hands the batch over; the answer comes with the turns of the runtime.
    std::shared_ptr<Answer> publish(PartitionId partition,
                                    const std::vector<std::byte>& batch) const;
    /// The same, and turns until nothing happens any more.
    Answer publish_now(PartitionId partition, const std::vector<std::byte>& batch) const;
    std::vector<std::string> values(PartitionId partition) const;
    /// What lies in the log so far is out of the open segment, which is filled up with records of
    /// `filler`; a second goes by.
    void finish_segment(PartitionId filler) const;
    /// Retention takes everything of the partition that lies in finished segments.
    void retire(PartitionId partition) const;

    ManualClock clock;
    storage::SimDisk disk;
    ShardOptions options;
    std::unique_ptr<ManualRuntime> runtime;
    std::unique_ptr<MetricsRegistry> metrics;
    ShardTable table;
    std::unique_ptr<Shard> shard;

  private:
    std::function<void(Shard&)> prepare_;
};

}  // namespace millrace::broker::testing
