#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"
#include "storage/format/numbers.hpp"

namespace millrace::storage {

/// Where one batch lies.
struct BatchEntry {
    Offset base_offset;
    std::uint32_t record_count = 0;
    std::uint32_t run_bytes = 0;  ///< header, batch and padding
    std::uint64_t position = 0;   ///< of the batch's header in its segment
    UnixMicros append_time_us = 0;
    [[nodiscard]] Offset end() const { return base_offset + record_count; }
};

/// Some batches of one partition that lie in one segment, one behind the other; the value of a row
/// `b <partition> <base_offset>`.
struct Chunk {
    SegmentSequence segment;
    std::uint64_t live_bytes = 0;
    std::vector<BatchEntry> entries;
    [[nodiscard]] Offset end() const { return entries.back().end(); }
};
[[nodiscard]] std::string format_chunk(const Chunk& chunk);

/// The batches of a chunk's row one after another, so that a read parses no more than it wants. A
/// copy goes on from where it was made.
///
/// **Requires** a row that stays.
class ChunkReader {
  public:
    explicit ChunkReader(std::string_view row);
    [[nodiscard]] SegmentSequence segment() const { return segment_; }
    [[nodiscard]] std::uint64_t live_bytes() const { return live_bytes_; }
    /// Batches not read yet.
    [[nodiscard]] std::size_t rest_count() const { return rest_count_; }
    /// Nothing at the end, and where the row does not parse.
    [[nodiscard]] std::optional<BatchEntry> next();
    [[nodiscard]] bool is_corrupt() const { return is_corrupt_; }

  private:
    NumberReader in_;
    SegmentSequence segment_;
    std::uint64_t live_bytes_ = 0;
    std::size_t rest_count_ = 0;
    BatchEntry last_;
    bool is_corrupt_ = false;
};
/// What is said of a chunk's row that does not parse.
[[nodiscard]] Error bad_chunk();
/// Errors: corrupt.
[[nodiscard]] Result<Chunk> parse_chunk(std::string_view value);

/// The row `p <partition>`.
struct PartitionRow {
    Offset first;
    Offset next;
    std::uint64_t live_bytes = 0;
};
[[nodiscard]] std::string format_partition_row(const PartitionRow& row);
[[nodiscard]] Result<PartitionRow> parse_partition_row(std::string_view value);

/// The row `g <segment>` of a sealed segment.
struct SegmentRow {
    UnixMicros first_time_us = 0;
    UnixMicros last_time_us = 0;
    std::uint64_t live_bytes = 0;
    std::uint64_t used_bytes = 0;
    std::uint32_t generation = 0;   ///< how often it was rewritten
    std::uint64_t batch_bytes = 0;  ///< of its batches, when it was sealed or rewritten
};
[[nodiscard]] std::string format_segment_row(const SegmentRow& row);
[[nodiscard]] Result<SegmentRow> parse_segment_row(std::string_view value);

/// Keys are a letter and big-endian numbers, so that they sort by number.
[[nodiscard]] std::string chunk_key(PartitionId partition, Offset base_offset);
[[nodiscard]] std::string chunk_prefix(PartitionId partition);
[[nodiscard]] std::string partition_key(PartitionId partition);
[[nodiscard]] std::string segment_key(SegmentSequence segment);
/// The opposites; 0 where the key is too short.
[[nodiscard]] Offset offset_of_key(std::string_view key);
[[nodiscard]] PartitionId partition_of_key(std::string_view key);
[[nodiscard]] SegmentSequence segment_of_key(std::string_view key);
inline constexpr std::string_view partition_prefix = "p";
inline constexpr std::string_view segment_prefix = "g";
inline constexpr std::string_view state_prefix = "s";

}  // namespace millrace::storage
