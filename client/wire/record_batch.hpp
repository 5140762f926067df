#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "client/wire/compression.hpp"
#include "client/wire/record.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"
#include "storage/base/units.hpp"

namespace millrace::wire {

/// The header of Kafka's RecordBatch v2. Big-endian:
///
///     at  bytes  field                      at  bytes  field
///      0      8  base_offset                27      8  base_timestamp (ms)
///      8      4  batch_length behind here   35      8  max_timestamp (ms)
///     12      4  sent_record_count, or -1   43      8  producer_id, -1 without
///     16      1  magic, 2                   51      2  producer_epoch
///     17      4  CRC-32C of 21 to the end   53      4  base_sequence
///     21      2  attributes: bits 0-2 codec 57      4  record_count
///     23      4  last_offset_delta          61         records
///
/// Valid if and only if magic is 2, batch_length reaches exactly the end of the bytes, the CRC
/// matches, record_count is last_offset_delta + 1 and positive, and the records parse and are
/// record_count. The base offset is outside the CRC, so the broker sets it in place; so is what
/// Kafka calls partition_leader_epoch, where the broker keeps how many records the producer sent
/// when it left some of them out, because their sequences count on.
struct BatchSummary {
    std::uint32_t record_count = 0;
    std::int64_t producer_id = -1;
    std::int16_t producer_epoch = 0;
    std::int32_t base_sequence = -1;
    std::int64_t base_timestamp_ms = 0;
    std::int64_t max_timestamp_ms = 0;
    Codec codec = Codec::none;
    Offset base_offset;
};

inline constexpr std::size_t batch_header_bytes = 61;

/// Batches of one partition that a producer may have unanswered. The broker remembers as many of
/// each producer, so that every batch that may come again is recognised.
inline constexpr std::size_t producer_batches_in_flight_max = 8;
inline constexpr std::size_t uncompressed_bytes_max = 64_MiB;

/// Checks header and CRC, not the records. Errors: malformed, checksum_mismatch.
[[nodiscard]] Result<BatchSummary> parse_batch_header(std::span<const std::byte> batch);
/// Checks everything of the rule above; compressed records are unpacked for it. Errors: malformed,
/// checksum_mismatch, unsupported_version, record_too_large above `uncompressed_bytes_max`.
[[nodiscard]] Result<BatchSummary> validate_batch(std::span<const std::byte> batch);
/// The same, and calls `visit` with each record and its number until it returns false; what follows
/// then is not checked.
[[nodiscard]] Result<BatchSummary> validate_batch(
    std::span<const std::byte> batch,
    const std::function<bool(std::uint32_t number, const RecordView& record)>& visit);
/// What the header says, checked or not; none where there is no whole header.
[[nodiscard]] Codec codec_of(std::span<const std::byte> batch);
/// **Requires** at least `batch_header_bytes`.
void set_base_offset(std::span<std::byte> batch, Offset base_offset);
/// How many records the producer sent; at least as many as are there. **Requires** at least
/// `batch_header_bytes`.
void set_sent_record_count(std::span<std::byte> batch, std::uint32_t count);
[[nodiscard]] std::uint32_t sent_record_count(std::span<const std::byte> batch);

/// Calls `visit` with each record and its number in the batch until it returns false. Errors:
/// malformed.
[[nodiscard]] Result<void> visit_records(
    std::span<const std::byte> batch,
    const std::function<bool(std::uint32_t number, const RecordView& record)>& visit);
/// The same with records that stay: they point into `batch`, or, of a compressed one, into
/// `unpacked`, whose bytes are replaced.
[[nodiscard]] Result<void> visit_records(
    std::span<const std::byte> batch,
    std::vector<std::byte>& unpacked,
    const std::function<bool(std::uint32_t number, const RecordView& record)>& visit);

struct ProducerState {
    std::int64_t id = -1;
    std::int16_t epoch = 0;
    std::int32_t base_sequence = -1;
};

/// Sequences wrap to 0, as Kafka's do.
[[nodiscard]] constexpr std::int32_t advance_sequence(std::int32_t sequence, std::uint32_t by) {
    return static_cast<std::int32_t>((static_cast<std::uint32_t>(sequence) + by) & 0x7fffffffU);
}
/// Gives a batch another place in its producer's order. **Requires** at least `batch_header_bytes`.
void set_producer(std::span<std::byte> batch, const ProducerState& producer);

/// Gathers records into a batch.
class RecordBatchBuilder {
  public:
    void add(const RecordView& record);
    [[nodiscard]] std::uint32_t record_count() const { return record_count_; }
    /// Of the batch if it were finished now, without compression.
    [[nodiscard]] std::size_t batch_bytes() const { return batch_header_bytes + records_.size(); }
    /// The batch; the builder is empty again. **Requires** at least one record.
    [[nodiscard]] Result<std::vector<std::byte>> finish(const ProducerState& producer,
                                                        Codec codec = Codec::none);

  private:
    std::vector<std::byte> records_;
    std::uint32_t record_count_ = 0;
    std::int64_t base_timestamp_ms_ = 0;
    std::int64_t max_timestamp_ms_ = 0;
};

}  // namespace millrace::wire
