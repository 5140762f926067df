#pragma once

#include <string>

#include "storage/base/ids.hpp"
#include "storage/base/metrics.hpp"

namespace millrace {

/// What every metric of a shard carries.
[[nodiscard]] inline Labels shard_label(ShardId shard) {
    return {{"shard", std::to_string(shard.value)}};
}

}  // namespace millrace
