#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "broker/delivery/rules/record_times.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::delivery {

/// A record on its way.
struct Item {
    PartitionId partition;
    Offset offset;
    UnixMicros append_time_us = 0;
    std::uint32_t attempts = 0;         ///< failures so far
    std::uint32_t attempts_before = 0;  ///< those before the redrive, which do not count
    UnixMicros first_failure_us = 0;
    RecordTimes times;
    std::string key;
    std::optional<std::uint64_t> letter;  ///< redriven
    std::vector<std::byte> record;
};

}  // namespace millrace::broker::delivery
