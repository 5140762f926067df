#pragma once

#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "client/wire/record.hpp"
#include "millrace/types.hpp"
#include "storage/base/batch_header.hpp"
#include "storage/base/result.hpp"

namespace millrace::client {

/// Names of partitions, for records that come by id.
struct PartitionName {
    std::string topic;
    std::uint32_t index = 0;
};
using PartitionNames = std::unordered_map<std::uint32_t, PartitionName>;
void add_names(const TopicDescription& topic, PartitionNames& names);

[[nodiscard]] Record to_record(const wire::RecordView& view, const PartitionName& name);

/// What the headers of a run say.
struct RunExtent {
    Offset end;  ///< one past the last offset; 0 where it holds none
    std::size_t record_count = 0;
};
[[nodiscard]] RunExtent extent_of(std::span<const std::byte> runs);

/// Adds every record of a run whose offset is not below `from`; with an error those before what
/// can't be read. Errors: malformed, checksum_mismatch, unsupported_version.
[[nodiscard]] Result<void> append_run(std::span<const std::byte> runs,
                                      const PartitionNames& names,
                                      Offset from,
                                      std::vector<Record>& records);

}  // namespace millrace::client
