#include "client/wire/record.hpp"

#include <algorithm>

namespace millrace::wire {
namespace {

/// A count that says more than the bytes could hold is refused before anything is allocated for it.
constexpr std::size_t header_bytes_min = 2;

std::int64_t signed_size(std::string_view text) {
    return static_cast<std::int64_t>(text.size());
}

void append_text(std::vector<std::byte>& out, std::string_view text) {
    append_varint(out, signed_size(text));
    const auto bytes = std::as_bytes(std::span(text));
    out.insert(out.end(), bytes.begin(), bytes.end());
}

std::size_t text_bytes(std::string_view text) {
    return varint_bytes(signed_size(text)) + text.size();
}

std::int64_t time_delta(const RecordView& record, const RecordBase& base) {
    return record.event_time_us / base.time_unit_us - base.time;
}

std::size_t body_bytes(const RecordView& record, const RecordBase& base) {
    std::size_t bytes =
        1 + varint_bytes(time_delta(record, base)) + varint_bytes(base.offset_delta);
    bytes += record.key ? text_bytes(*record.key) : varint_bytes(-1);
    bytes += text_bytes(record.value);
    bytes += varint_bytes(static_cast<std::int64_t>(record.headers.size()));
    for (const auto& header : record.headers) {
        bytes += text_bytes(header.key) + text_bytes(header.value);
    }
    return bytes;
}

/// A length of -1 is an absent text and reads as empty.
std::optional<std::string_view> read_text(ByteReader& in) {
    const auto bytes = in.read_varint();
    if (bytes < 0) {
        return std::nullopt;
    }
    return as_text(in.read_bytes(static_cast<std::size_t>(bytes)));
}

void read_headers(ByteReader& in, RecordView& record) {
    record.headers.clear();
    const auto count = in.read_varint();
    if (count < 0 || static_cast<std::size_t>(count) > in.rest_bytes() / header_bytes_min) {
        // Makes the reader fail: more headers than bytes.
        (void)in.read_bytes(in.rest_bytes() + 1);
        return;
    }
    for (std::int64_t i = 0; i < count && !in.failed(); ++i) {
        const auto key = read_text(in).value_or("");
        record.headers.push_back({.key = key, .value = read_text(in).value_or("")});
    }
}

}  // namespace

std::optional<std::string_view> RecordView::header(std::string_view name) const {
    const auto found = std::ranges::find(headers, name, &HeaderView::key);
    return found == headers.end() ? std::nullopt : std::optional(found->value);
}

std::size_t record_bytes(const RecordView& record, const RecordBase& base) {
    const auto body = body_bytes(record, base);
    return varint_bytes(static_cast<std::int64_t>(body)) + body;
}

std::size_t unpacked_record_bytes(const RecordView& record) {
    return record_bytes(record) + record.key.value_or("").size();
}

void append_record(std::vector<std::byte>& out, const RecordView& record, const RecordBase& base) {
    append_varint(out, static_cast<std::int64_t>(body_bytes(record, base)));
    out.push_back(std::byte{0});
    append_varint(out, time_delta(record, base));
    append_varint(out, base.offset_delta);
    if (record.key) {
        append_text(out, *record.key);
    } else {
        append_varint(out, -1);
    }
    append_text(out, record.value);
    append_varint(out, static_cast<std::int64_t>(record.headers.size()));
    for (const auto& header : record.headers) {
        append_text(out, header.key);
        append_text(out, header.value);
    }
}

Result<void> parse_record(ByteReader& in, RecordView& record, const RecordBase& base) {
    const auto length = in.read_varint();
    ByteReader body(
        in.read_bytes(length < 0 ? in.rest_bytes() + 1 : static_cast<std::size_t>(length)));
    (void)body.read_byte();
    const auto delta = body.read_varint();
    if (__builtin_add_overflow(base.time, delta, &record.event_time_us) ||
        __builtin_mul_overflow(record.event_time_us, base.time_unit_us, &record.event_time_us)) {
        return fail(Errc::malformed, "record: its time does not fit into 64 bits");
    }
    (void)body.read_varint();
    record.key = read_text(body);
    record.value = read_text(body).value_or("");
    read_headers(body, record);
    if (in.failed() || body.failed() || body.rest_bytes() != 0) {
        return fail(Errc::malformed, "record: lengths do not add up");
    }
    return ok();
}

Result<RecordView> parse_plain_record(std::span<const std::byte> bytes) {
    ByteReader in(bytes);
    RecordView record;
    MILLRACE_TRY(parse_record(in, record));
    if (in.rest_bytes() != 0) {
        return fail(Errc::malformed, "record: bytes behind its end");
    }
    return record;
}

std::vector<std::byte> format_plain_record(const RecordView& record) {
    std::vector<std::byte> out;
    out.reserve(record_bytes(record));
    append_record(out, record);
    return out;
}

}  // namespace millrace::wire
