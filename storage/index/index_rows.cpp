#include "storage/index/index_rows.hpp"

#include <array>
#include <span>

#include "storage/base/bytes.hpp"

namespace millrace::storage {
namespace {

Error bad_row(const char* what) {
    return fail(
        Errc::corrupt,
        std::string("index: a ") + what + " row does not parse; start with --rebuild-index");
}

template <class Integer>
void append_be(std::string& out, Integer value) {
    std::array<std::byte, sizeof(Integer)> bytes{};
    store_be(std::span<std::byte>(bytes), value);
    out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

template <class Integer>
Integer number_at(std::string_view key, std::size_t at) {
    return load_be<Integer>(std::as_bytes(std::span(key)).subspan(at));
}

}  // namespace

std::string format_chunk(const Chunk& chunk) {
    std::string out;
    append_number(out, chunk.segment.value);
    append_number(out, chunk.live_bytes);
    append_number(out, chunk.entries.size());
    BatchEntry last;
    Offset expected;
    for (const auto& entry : chunk.entries) {
        append_number(out, entry.base_offset.value - expected.value);
        append_number(out, entry.record_count);
        append_number(out, entry.run_bytes);
        append_number(out, entry.position - last.position);
        append_number(out, static_cast<std::uint64_t>(entry.append_time_us - last.append_time_us));
        expected = entry.end();
        last = entry;
    }
    return out;
}

ChunkReader::ChunkReader(std::string_view row) : in_(row) {
    segment_ = SegmentSequence{in_.next()};
    live_bytes_ = in_.next();
    rest_count_ = in_.next();
    if (in_.failed() || rest_count_ == 0 || rest_count_ > in_.rest_bytes()) {
        is_corrupt_ = true;
        rest_count_ = 0;
    }
}

std::optional<BatchEntry> ChunkReader::next() {
    if (rest_count_ == 0) {
        return std::nullopt;
    }
    BatchEntry entry;
    entry.base_offset = last_.end() + in_.next();
    entry.record_count = static_cast<std::uint32_t>(in_.next());
    entry.run_bytes = static_cast<std::uint32_t>(in_.next());
    entry.position = last_.position + in_.next();
    entry.append_time_us = last_.append_time_us + static_cast<UnixMicros>(in_.next());
    --rest_count_;
    if (in_.failed() || (rest_count_ == 0 && !in_.is_at_end())) {
        is_corrupt_ = true;
        rest_count_ = 0;
        return std::nullopt;
    }
    last_ = entry;
    return entry;
}

Error bad_chunk() {
    return bad_row("batch");
}

Result<Chunk> parse_chunk(std::string_view value) {
    ChunkReader reader(value);
    Chunk chunk{.segment = reader.segment(), .live_bytes = reader.live_bytes(), .entries = {}};
    chunk.entries.reserve(reader.rest_count());
    while (const auto entry = reader.next()) {
        chunk.entries.push_back(*entry);
    }
    if (reader.is_corrupt()) {
        return bad_chunk();
    }
    return chunk;
}

std::string format_partition_row(const PartitionRow& row) {
    std::string out;
    append_number(out, row.first.value);
    append_number(out, row.next.value);
    append_number(out, row.live_bytes);
    return out;
}

Result<PartitionRow> parse_partition_row(std::string_view value) {
    NumberReader in(value);
    PartitionRow row;
    row.first = Offset{in.next()};
    row.next = Offset{in.next()};
    row.live_bytes = in.next();
    if (!in.is_good_end()) {
        return bad_row("partition");
    }
    return row;
}

std::string format_segment_row(const SegmentRow& row) {
    std::string out;
    append_number(out, static_cast<std::uint64_t>(row.first_time_us));
    append_number(out, static_cast<std::uint64_t>(row.last_time_us));
    append_number(out, row.live_bytes);
    append_number(out, row.used_bytes);
    append_number(out, 1);  // once said whether it held anything but records
    append_number(out, row.generation);
    append_number(out, row.batch_bytes);
    return out;
}

Result<SegmentRow> parse_segment_row(std::string_view value) {
    NumberReader in(value);
    SegmentRow row;
    row.first_time_us = static_cast<UnixMicros>(in.next());
    row.last_time_us = static_cast<UnixMicros>(in.next());
    row.live_bytes = in.next();
    row.used_bytes = in.next();
    (void)in.next();
    // Rows of older programs end earlier.
    row.generation = in.is_at_end() ? 0 : static_cast<std::uint32_t>(in.next());
    row.batch_bytes = in.is_at_end() ? row.live_bytes : in.next();
    if (!in.is_good_end()) {
        return bad_row("segment");
    }
    return row;
}

std::string chunk_prefix(PartitionId partition) {
    std::string key = "b";
    append_be(key, partition.value);
    return key;
}

std::string chunk_key(PartitionId partition, Offset base_offset) {
    auto key = chunk_prefix(partition);
    append_be(key, base_offset.value);
    return key;
}

std::string partition_key(PartitionId partition) {
    std::string key(partition_prefix);
    append_be(key, partition.value);
    return key;
}

std::string segment_key(SegmentSequence segment) {
    std::string key(segment_prefix);
    append_be(key, segment.value);
    return key;
}

PartitionId partition_of_key(std::string_view key) {
    return PartitionId{key.size() < 5 ? 0 : number_at<std::uint32_t>(key, 1)};
}

Offset offset_of_key(std::string_view key) {
    return Offset{key.size() < 13 ? 0 : number_at<std::uint64_t>(key, 5)};
}

SegmentSequence segment_of_key(std::string_view key) {
    return SegmentSequence{key.size() < 9 ? 0 : number_at<std::uint64_t>(key, 1)};
}

}  // namespace millrace::storage
