#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/delivery/groups/consumer_groups.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::delivery {

/// What a group has committed in some partitions.
struct GroupOffsets {
    std::string group;
    std::vector<CommittedOffset> offsets;
};

/// How far consumer groups are behind in the partitions of this shard:
/// `millrace_group_lag_records` and `millrace_group_lag_seconds`. A partition without a committed
/// offset counts nothing.
///
/// Promise:  groups beyond `groups_shown_max` since the start share the label "(others)", which has
///           the sum of their records and the age of the oldest one. One that is gone has a lag
///           of 0.
/// Threads:  the shard's.
class GroupLag {
  public:
    static constexpr std::size_t groups_shown_max = 1'000;
    explicit GroupLag(Shard& shard) : shard_(shard) {}

    /// From a home of groups: all that it has of one round, and what they have committed here.
    void take(ShardId home, std::uint32_t round, const std::vector<GroupOffsets>& groups);

  private:
    struct Lag {
        std::uint64_t records = 0;
        std::int64_t seconds = 0;
    };
    struct Group {
        Lag lag;
        /// When the first record behind the committed offset was appended: looked up once an
        /// offset.
        std::map<PartitionId, std::pair<Offset, UnixMicros>> oldest;
    };
    using Groups = std::map<std::string, Group>;
    struct Gauges {
        Gauge& records;
        Gauge& seconds;
        void set(Lag lag) const;
    };
    [[nodiscard]] Lag lag_of(Group& group, const CommittedOffset& committed) const;
    [[nodiscard]] UnixMicros oldest_us(Group& group, PartitionId partition, Offset offset) const;
    void update(Group& group, const GroupOffsets& now) const;
    void show(const std::string& name, Lag lag);
    void show_others() const;
    [[nodiscard]] Gauges gauges_of(const std::string& label) const;

    Shard& shard_;
    std::map<std::pair<ShardId, std::uint32_t>, Groups> groups_;  ///< by home and round
    std::map<std::string, Gauges> shown_;                         ///< with a label of their own
    std::optional<Gauges> others_;
};

}  // namespace millrace::broker::delivery
