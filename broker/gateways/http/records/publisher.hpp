#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/gateways/http/records/record_input.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"
#include "storage/base/clock.hpp"

namespace millrace::broker::http {

/// What became of one record.
struct RecordOutcome {
    std::optional<Error> error;  ///< nothing of it was published
    std::uint32_t partition_index = 0;
    Offset offset;  ///< of the first one, where it is a duplicate
    UnixMicros append_time_us = 0;
    bool is_duplicate = false;
    Durability durability = Durability::majority;  ///< that the answer stands for
};
using PublishedDone = std::function<void(std::vector<RecordOutcome>)>;

/// Brings records of the door to the shards that own their partitions.
///
/// Promise:  an outcome without error is as durable as its topic asks for. Records of a partition
/// keep their order: what
///           stands behind a batch that was refused is not tried. A record with an event id and no
///           key goes where it went before.
/// Threads:  the control thread.
class Publisher {
  public:
    /// What is given must outlive it.
    Publisher(const ShardGate& gate, const Clock& clock, std::size_t batch_bytes_max)
        : gate_(gate), clock_(clock), batch_bytes_max_(batch_bytes_max) {}

    /// Answers once, with one outcome a record.
    void publish(const std::string& topic, ParsedRecords records, PublishedDone done);

  private:
    class Run;

    const ShardGate& gate_;
    const Clock& clock_;
    std::size_t batch_bytes_max_;
    std::uint64_t turn_ = 0;  ///< which partition the next records without a key go to
};

}  // namespace millrace::broker::http
