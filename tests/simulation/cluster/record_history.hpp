#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/simulation/cluster/stage.hpp"

#include "storage/base/ids.hpp"

namespace millrace::simulation::cluster {

/// A record as some replica gave it out.
struct ReadRecord {
    Offset offset;
    UnixMicros append_time_us = 0;
    std::string key;
    std::string value;
    bool operator==(const ReadRecord&) const = default;
};

/// The records of runs of batches from `from` on.
[[nodiscard]] std::vector<ReadRecord> records_of(std::span<const std::byte> runs, Offset from);

/// Who published a value, and as which of its records in the partition; every value says it.
struct ValueName {
    std::uint64_t producer = 0;
    std::uint64_t number = 0;
    [[nodiscard]] std::string format() const;
    [[nodiscard]] static ValueName parse(std::string_view value);
};

/// All that clients were told or have read, whoever led: each new thing must fit to what was there.
///
/// Promise:  what was read at an offset stays there; an acked record lies where the ack said; a
/// value lies in one place; append times do not go down; the records of a producer lie in its
/// order, without a gap. Of a partition whose acks stand for the leader alone acked records may be
/// missing, and lie elsewhere than the ack said.
class RecordHistory {
  public:
    explicit RecordHistory(Stage& stage) : stage_(stage) {}

    /// Its acks stand for the leader alone.
    void allow_loss(PartitionId partition) { partitions_[partition].may_lose = true; }
    void note_read(const std::string& where, PartitionId partition, const ReadRecord& record);
    void note_ack(PartitionId partition, Offset first, const std::vector<std::string>& values);
    /// One past the last record that was acked.
    [[nodiscard]] Offset acked_end(PartitionId partition) const;
    /// Everything was read by now, but for what retention took.
    void check_end(PartitionId partition, Offset first, Offset next);
    [[nodiscard]] std::uint64_t record_count() const;
    /// Records that were acked where that is allowed, and are missing.
    [[nodiscard]] std::uint64_t lost_count() const;
    [[nodiscard]] const std::map<Offset, ReadRecord>& records(PartitionId partition) {
        return partitions_[partition].records;
    }

  private:
    struct Partition {
        std::map<Offset, ReadRecord> records;
        std::unordered_map<std::string, Offset> places;
        std::map<Offset, std::string> acked;
        std::uint64_t acked_by_leader = 0;  ///< records, by a leader alone
        bool may_lose = false;
    };
    void check_times(const std::string& name, const Partition& partition, Offset at);
    void check_order(PartitionId id, const Partition& partition);

    Stage& stage_;
    std::map<PartitionId, Partition> partitions_;
};

}  // namespace millrace::simulation::cluster
