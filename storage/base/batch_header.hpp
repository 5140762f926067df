#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "storage/base/bytes.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace {

/// What stands before every record batch, the same in the log, between nodes and in a fetch answer,
/// so that a batch is never re-encoded. A *run* is a sequence of (header, record batch, zero
/// padding to 8 bytes).
///
///     at  bytes  field
///      0      4  partition
///      4      4  record_count, at least 1
///      8      8  base_offset
///     16      8  append_time_us
///     24      4  batch_bytes: of the record batch that follows, without padding
///     28      4  flags, 0
///
/// Little-endian. Valid if and only if record_count > 0, flags == 0 and the batch lies within the
/// run.
struct BatchHeader {
    static constexpr std::size_t bytes = 32;
    static constexpr std::size_t alignment = 8;

    PartitionId partition;
    std::uint32_t record_count = 0;
    Offset base_offset;
    UnixMicros append_time_us = 0;
    std::uint32_t batch_bytes = 0;
    std::uint32_t flags = 0;

    [[nodiscard]] Offset last_offset() const { return base_offset + (record_count - 1); }
    /// Header, batch and padding.
    [[nodiscard]] std::size_t run_bytes() const {
        return bytes + ((batch_bytes + alignment - 1) & ~(alignment - 1));
    }
};

/// **Requires** `out.size() >= BatchHeader::bytes`.
inline void store_batch_header(std::span<std::byte> out, const BatchHeader& header) {
    store_le(out, header.partition.value);
    store_le(out.subspan(4), header.record_count);
    store_le(out.subspan(8), header.base_offset.value);
    store_le(out.subspan(16), header.append_time_us);
    store_le(out.subspan(24), header.batch_bytes);
    store_le(out.subspan(28), header.flags);
}

/// The header at the front of `run`, or nothing where the bytes are not a valid one followed by its
/// whole batch.
[[nodiscard]] inline std::optional<BatchHeader> load_batch_header(std::span<const std::byte> run) {
    if (run.size() < BatchHeader::bytes) {
        return std::nullopt;
    }
    BatchHeader header;
    header.partition = PartitionId{load_le<std::uint32_t>(run)};
    header.record_count = load_le<std::uint32_t>(run.subspan(4));
    header.base_offset = Offset{load_le<std::uint64_t>(run.subspan(8))};
    header.append_time_us = load_le<std::int64_t>(run.subspan(16));
    header.batch_bytes = load_le<std::uint32_t>(run.subspan(24));
    header.flags = load_le<std::uint32_t>(run.subspan(28));
    if (header.record_count == 0 || header.flags != 0 || header.run_bytes() > run.size()) {
        return std::nullopt;
    }
    return header;
}

/// How many records a run has.
[[nodiscard]] inline std::uint64_t record_count_of(std::span<const std::byte> run) {
    std::uint64_t count = 0;
    while (const auto header = load_batch_header(run)) {
        count += header->record_count;
        run = run.subspan(header->run_bytes());
    }
    return count;
}

}  // namespace millrace
