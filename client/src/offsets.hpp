#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "client/src/core.hpp"
#include "millrace/types.hpp"

namespace millrace::client {

/// Where partitions begin, end, or are at a time, by partition id; an entry for each that is asked
/// for. Throws what the broker says of the first that has no such place: to go on at 0 instead
/// would read everything again, or nothing.
[[nodiscard]] std::map<std::uint32_t, std::uint64_t> offsets_at(
    Core& core, const std::vector<std::uint32_t>& partition_ids, const StartPosition& position);

}  // namespace millrace::client
