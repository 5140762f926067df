#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "client/wire/varint.hpp"
#include "storage/base/result.hpp"

namespace millrace::wire {

struct HeaderView {
    std::string_view key;
    std::string_view value;
};

/// One record; the views point into whatever it was parsed from or is to be written from.
struct RecordView {
    std::optional<std::string_view> key;
    std::string_view value;
    std::vector<HeaderView> headers;
    std::int64_t event_time_us = 0;

    [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

/// How the record layout of Kafka's RecordBatch v2 stores time and place: relative to a base. A
/// plain record, as in deliveries and dead letters, has both bases 0 and counts microseconds.
struct RecordBase {
    std::int64_t time = 0;
    std::int64_t time_unit_us = 1;
    std::int32_t offset_delta = 0;
};

/// The most that a record may have once it is unpacked: its plain form, and its key once more. So
/// everything that can be published can be delivered, and fits with its circumstances into one
/// entry of the log when it becomes a dead letter, or is mended as one.
inline constexpr std::size_t unpacked_record_bytes_max = std::size_t{1536} * 1024;

void append_record(std::vector<std::byte>& out,
                   const RecordView& record,
                   const RecordBase& base = {});
[[nodiscard]] std::size_t record_bytes(const RecordView& record, const RecordBase& base = {});

/// What counts against `unpacked_record_bytes_max`.
[[nodiscard]] std::size_t unpacked_record_bytes(const RecordView& record);

/// Reads the next record. Errors: malformed.
[[nodiscard]] Result<void> parse_record(ByteReader& in,
                                        RecordView& record,
                                        const RecordBase& base = {});

/// A plain record that fills `bytes`. Errors: malformed.
[[nodiscard]] Result<RecordView> parse_plain_record(std::span<const std::byte> bytes);
[[nodiscard]] std::vector<std::byte> format_plain_record(const RecordView& record);

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace millrace::wire
