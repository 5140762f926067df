#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/wire/record.hpp"
#include "millrace/types.hpp"
#include "storage/base/batch_header.hpp"
#include "storage/base/bytes.hpp"
#include "storage/base/result.hpp"

namespace millrace::client {

/// Names of partitions, for records that come by id.
struct PartitionName {
    std::string topic;
    std::uint32_t index = 0;
};
using PartitionNames = std::unordered_map<std::uint32_t, PartitionName>;
void add_names(const TopicDescription& topic, PartitionNames& names);
[[nodiscard]] PartitionNames names_of(const std::vector<TopicDescription>& topics);

/// What records that came together point into.
///
/// Threads:  one until it has records, then any, and nothing is added.
class RecordMemory {
  public:
    RecordMemory(SharedBytes bytes, std::shared_ptr<const PartitionNames> names)
        : bytes_(std::move(bytes)), names_(std::move(names)) {}
    RecordMemory(std::vector<std::byte> bytes, std::shared_ptr<const PartitionNames> names);
    RecordMemory(const RecordMemory&) = delete;
    RecordMemory& operator=(const RecordMemory&) = delete;
    RecordMemory(RecordMemory&&) = delete;
    RecordMemory& operator=(RecordMemory&&) = delete;
    ~RecordMemory() = default;

    [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_.span(); }
    /// One without a topic where the id has no name.
    [[nodiscard]] const PartitionName& name_of(std::uint32_t partition_id) const;
    /// More bytes, for what is unpacked.
    [[nodiscard]] std::vector<std::byte>& add_bytes() { return more_bytes_.emplace_back(); }
    /// A copy of the text.
    [[nodiscard]] std::string_view add_text(std::string_view text);

  private:
    SharedBytes bytes_;
    std::deque<std::vector<std::byte>> more_bytes_;
    std::shared_ptr<const PartitionNames> names_;
};

/// **Requires** texts of `view` and `name` in `memory`.
[[nodiscard]] Record to_record(const wire::RecordView& view,
                               const PartitionName& name,
                               std::shared_ptr<const RecordMemory> memory);

/// What the headers of a run say.
struct RunExtent {
    Offset end;  ///< one past the last offset; 0 where it holds none
    std::size_t record_count = 0;
};
[[nodiscard]] RunExtent extent_of(std::span<const std::byte> runs);

/// Adds every record of a run whose offset is not below `from`; with an error those before what
/// can't be read. **Requires** runs of `memory`. Errors: malformed, checksum_mismatch,
/// unsupported_version.
[[nodiscard]] Result<void> append_run(const std::shared_ptr<RecordMemory>& memory,
                                      std::span<const std::byte> runs,
                                      Offset from,
                                      std::vector<Record>& records);

}  // namespace millrace::client
