#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker {

/// A delivery that somebody owes an answer for.
struct FeedRef {
    ShardId shard;
    std::uint64_t session = 0;
    std::uint64_t delivery_id = 0;
    auto operator<=>(const FeedRef&) const = default;  // NOLINT(modernize-use-nullptr)
};
/// One delivered record, with bytes of its own.
struct FeedEvent {
    FeedRef ref;
    std::string topic;
    UnixMicros topic_created_us = 0;  ///< 0: of a topic that is no more
    std::uint32_t partition_index = 0;
    Offset offset;
    UnixMicros append_time_us = 0;
    std::uint32_t attempt = 1;
    std::uint32_t tries = 1;  ///< attempts since the last redrive, this one counted
    std::vector<std::byte> record;
};

}  // namespace millrace::broker
