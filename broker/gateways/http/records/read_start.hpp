#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "broker/gateways/http/records/position.hpp"
#include "broker/gateways/http/routing/route.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

/// Where a request wants to begin: a position that an answer gave, an offset of a partition, or
/// `from` earliest, latest or a moment.
struct ReadStart {
    std::optional<std::uint32_t> partition;  ///< this one; else all
    Positions positions;                     ///< where they are known
    enum class At : std::uint8_t { position, earliest, latest, time };
    At at = At::earliest;
    UnixMicros time_us = 0;
};

/// Errors: invalid_argument, unknown_partition.
[[nodiscard]] Result<ReadStart> parse_read_start(const Call& call, const TopicInfo& topic);

/// Asks the shards for the offsets that a start stands for.
void resolve(const ShardGate& gate,
             const std::shared_ptr<const TopicInfo>& topic,
             const ReadStart& start,
             std::function<void(Result<Positions>)> done);

}  // namespace millrace::broker::http
