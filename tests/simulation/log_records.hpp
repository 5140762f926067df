#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/broker/shard_fixture.hpp"

#include "client/wire/record.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::simulation {

/// A record as it lies in a log.
struct LogRecord {
    PartitionId partition;
    Offset offset;
    UnixMicros append_time_us = 0;
    std::optional<std::string> key;
    std::string value;
    std::vector<std::pair<std::string, std::string>> headers;

    /// Valid as long as this.
    [[nodiscard]] wire::RecordView view() const;
};

/// All that a partition has from `from` on, read by itself and not through delivery. The runtime
/// turns meanwhile. Nothing for a partition that is not there.
[[nodiscard]] std::vector<LogRecord> read_log(const broker::testing::ShardFixture& fixture,
                                              PartitionId partition,
                                              Offset from = Offset{0});
/// None for a topic that is not there.
[[nodiscard]] std::vector<PartitionId> partitions_of(const broker::testing::ShardFixture& fixture,
                                                     const std::string& topic);

}  // namespace millrace::simulation
