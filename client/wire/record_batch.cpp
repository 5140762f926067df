#include "client/wire/record_batch.hpp"

#include <algorithm>
#include <limits>

#include "storage/base/assert.hpp"
#include "storage/base/bytes.hpp"
#include "storage/base/crc32c.hpp"

namespace millrace::wire {
namespace {

constexpr std::size_t length_at = 8;
constexpr std::size_t sent_count_at = 12;
constexpr std::size_t magic_at = 16;
constexpr std::size_t crc_at = 17;
constexpr std::size_t checked_from = 21;
constexpr std::size_t producer_at = 43;  ///< id, epoch, base sequence
constexpr std::size_t record_count_at = 57;
constexpr std::byte magic{2};
constexpr unsigned codec_mask = 7;
constexpr std::size_t attributes_at = 21;
constexpr std::int64_t micros_per_milli = 1000;

RecordBase base_of(const BatchSummary& summary) {
    return {.time = summary.base_timestamp_ms, .time_unit_us = micros_per_milli};
}

Error unknown_codec() {
    return fail(Errc::unsupported_version,
                "record batch: compression codec is not none, lz4 or zstd");
}

Result<void> visit_plain(std::span<const std::byte> records,
                         const BatchSummary& summary,
                         const std::function<bool(std::uint32_t, const RecordView&)>& visit) {
    ByteReader in(records);
    RecordView record;
    for (std::uint32_t number = 0; number < summary.record_count; ++number) {
        MILLRACE_TRY(parse_record(in, record, base_of(summary)));
        if (!visit(number, record)) {
            return ok();
        }
    }
    if (in.rest_bytes() != 0) {
        return fail(Errc::malformed, "record batch: bytes behind its last record");
    }
    return ok();
}

}  // namespace

Result<BatchSummary> parse_batch_header(std::span<const std::byte> batch) {
    if (batch.size() < batch_header_bytes ||
        batch.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
        return fail(Errc::malformed, "record batch of " + std::to_string(batch.size()) + " bytes");
    }
    const auto length = load_be<std::int32_t>(batch.subspan(length_at));
    if (batch[magic_at] != magic || length < 0 ||
        static_cast<std::size_t>(length) + length_at + sizeof(length) != batch.size()) {
        return fail(Errc::malformed,
                    "record batch: magic is not 2, or its length is not that of its bytes");
    }
    const auto stored = load_be<std::uint32_t>(batch.subspan(crc_at));
    const auto computed = crc32c(batch.subspan(checked_from));
    if (stored != computed) {
        return fail(Errc::checksum_mismatch,
                    "record batch: CRC-32C stored " + std::to_string(stored) + ", computed " +
                        std::to_string(computed));
    }
    const auto count = load_be<std::int32_t>(batch.subspan(record_count_at));
    if (count <= 0 || load_be<std::int32_t>(batch.subspan(23)) != count - 1) {
        return fail(Errc::malformed,
                    "record batch: record_count " + std::to_string(count) +
                        " does not fit its last offset");
    }
    return BatchSummary{
        .record_count = static_cast<std::uint32_t>(count),
        .producer_id = load_be<std::int64_t>(batch.subspan(43)),
        .producer_epoch = load_be<std::int16_t>(batch.subspan(51)),
        .base_sequence = load_be<std::int32_t>(batch.subspan(53)),
        .base_timestamp_ms = load_be<std::int64_t>(batch.subspan(27)),
        .max_timestamp_ms = load_be<std::int64_t>(batch.subspan(35)),
        .codec = codec_of(batch),
        .base_offset = Offset{load_be<std::uint64_t>(batch)},
    };
}

Codec codec_of(std::span<const std::byte> batch) {
    return batch.size() < batch_header_bytes
               ? Codec::none
               : static_cast<Codec>(load_be<std::uint16_t>(batch.subspan(attributes_at)) &
                                    codec_mask);
}

Result<BatchSummary> validate_batch(std::span<const std::byte> batch) {
    return validate_batch(batch, [](auto, const auto&) { return true; });
}

Result<BatchSummary> validate_batch(
    std::span<const std::byte> batch,
    const std::function<bool(std::uint32_t, const RecordView&)>& visit) {
    MILLRACE_TRY(const auto summary, parse_batch_header(batch));
    const auto records = batch.subspan(batch_header_bytes);
    if (summary.codec == Codec::none) {
        MILLRACE_TRY(visit_plain(records, summary, visit));
        return summary;
    }
    if (summary.codec != Codec::lz4 && summary.codec != Codec::zstd) {
        return unknown_codec();
    }
    MILLRACE_TRY(const auto plain, decompress(summary.codec, records, uncompressed_bytes_max));
    MILLRACE_TRY(visit_plain(plain, summary, visit));
    return summary;
}

void set_base_offset(std::span<std::byte> batch, Offset base_offset) {
    MILLRACE_ASSERT(batch.size() >= batch_header_bytes);
    store_be(batch, base_offset.value);
}

void set_sent_record_count(std::span<std::byte> batch, std::uint32_t count) {
    MILLRACE_ASSERT(batch.size() >= batch_header_bytes);
    const auto present = load_be<std::uint32_t>(batch.subspan(record_count_at));
    store_be(batch.subspan(sent_count_at),
             count == present ? std::int32_t{-1} : static_cast<std::int32_t>(count));
}

void set_producer(std::span<std::byte> batch, const ProducerState& producer) {
    MILLRACE_ASSERT(batch.size() >= batch_header_bytes);
    store_be(batch.subspan(producer_at), producer.id);
    store_be(batch.subspan(producer_at + 8), producer.epoch);
    store_be(batch.subspan(producer_at + 10), producer.base_sequence);
    store_be(batch.subspan(crc_at), crc32c(batch.subspan(checked_from)));
}

std::uint32_t sent_record_count(std::span<const std::byte> batch) {
    MILLRACE_ASSERT(batch.size() >= batch_header_bytes);
    const auto present = load_be<std::int32_t>(batch.subspan(record_count_at));
    return static_cast<std::uint32_t>(
        std::max(present, load_be<std::int32_t>(batch.subspan(sent_count_at))));
}

Result<void> visit_records(std::span<const std::byte> batch,
                           const std::function<bool(std::uint32_t, const RecordView&)>& visit) {
    std::vector<std::byte> unpacked;
    return visit_records(batch, unpacked, visit);
}

Result<void> visit_records(std::span<const std::byte> batch,
                           std::vector<std::byte>& unpacked,
                           const std::function<bool(std::uint32_t, const RecordView&)>& visit) {
    MILLRACE_TRY(const auto summary, parse_batch_header(batch));
    const auto records = batch.subspan(batch_header_bytes);
    if (summary.codec == Codec::none) {
        return visit_plain(records, summary, visit);
    }
    MILLRACE_TRY(unpacked, decompress(summary.codec, records, uncompressed_bytes_max));
    return visit_plain(unpacked, summary, visit);
}

void RecordBatchBuilder::add(const RecordView& record) {
    const auto time_ms = record.event_time_us / micros_per_milli;
    if (record_count_ == 0) {
        base_timestamp_ms_ = time_ms;
        max_timestamp_ms_ = time_ms;
    }
    max_timestamp_ms_ = std::max(max_timestamp_ms_, time_ms);
    append_record(records_,
                  record,
                  {.time = base_timestamp_ms_,
                   .time_unit_us = micros_per_milli,
                   .offset_delta = static_cast<std::int32_t>(record_count_)});
    ++record_count_;
}

Result<std::vector<std::byte>> RecordBatchBuilder::finish(const ProducerState& producer,
                                                          Codec codec) {
    MILLRACE_ASSERT(record_count_ > 0);
    if (codec != Codec::none) {
        MILLRACE_TRY(records_, compress(codec, records_));
    }
    std::vector<std::byte> batch(batch_header_bytes + records_.size());
    const std::span out(batch);
    store_be(out.subspan(length_at),
             static_cast<std::int32_t>(batch.size() - length_at - sizeof(std::int32_t)));
    store_be(out.subspan(sent_count_at), std::int32_t{-1});
    out[magic_at] = magic;
    store_be(out.subspan(attributes_at), static_cast<std::uint16_t>(codec));
    store_be(out.subspan(23), static_cast<std::int32_t>(record_count_ - 1));
    store_be(out.subspan(27), base_timestamp_ms_);
    store_be(out.subspan(35), max_timestamp_ms_);
    store_be(out.subspan(record_count_at), static_cast<std::int32_t>(record_count_));
    copy_bytes(records_, out.subspan(batch_header_bytes));
    set_producer(out, producer);
    records_.clear();
    record_count_ = 0;
    return batch;
}

}  // namespace millrace::wire
