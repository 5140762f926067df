// Record batches and plain records, as they are and with a length and a checksum that fit.
#include "client/wire/record_batch.hpp"

#include <vector>

#include "tests/fuzz/fuzz_check.hpp"

#include "storage/base/batch_header.hpp"
#include "storage/base/crc32c.hpp"

namespace millrace::wire {
namespace {

using fuzz::check;

void rebuild(std::span<const std::byte> batch, std::uint32_t record_count) {
    RecordBatchBuilder builder;
    const auto visited = visit_records(batch, [&](std::uint32_t, const RecordView& record) {
        builder.add(record);
        return true;
    });
    check(visited.has_value(), "a batch that was visited is visited again");
    const auto built = builder.finish({});
    check(built.has_value(), "records that were read are written");
    const auto summary = validate_batch(built.value());
    check(summary.has_value() && summary.value().record_count == record_count,
          "a batch that was built is valid");
}

void parse_batch(std::span<const std::byte> batch) {
    const auto summary = parse_batch_header(batch);
    const auto valid = validate_batch(batch);
    check(summary.has_value() || valid.has_error(), "a batch without a header is not valid");
    std::uint32_t count = 0;
    std::size_t text_bytes = 0;
    const auto visited = visit_records(batch, [&](std::uint32_t, const RecordView& record) {
        ++count;
        text_bytes += record.value.size() + record.key.value_or("").size();
        return true;
    });
    if (visited.has_error()) {
        check(valid.has_error() || valid.value().codec != Codec::none,
              "a valid batch can be visited");
        return;
    }
    check(valid.has_value(), "a batch that can be visited is valid");
    check(count == summary.value().record_count, "as many records come as the header says");
    check(text_bytes <= uncompressed_bytes_max, "no more comes out than is allowed");
    rebuild(batch, count);
}

void make_fit(std::span<std::byte> batch) {
    constexpr std::size_t length_end = 12;
    constexpr std::size_t checked_from = 21;
    if (batch.size() >= batch_header_bytes) {
        store_be(batch.subspan(8), static_cast<std::int32_t>(batch.size() - length_end));
        store_be(batch.subspan(17), crc32c(batch.subspan(checked_from)));
    }
}

void parse_plain(std::span<const std::byte> bytes) {
    const auto record = parse_plain_record(bytes);
    if (record.has_error()) {
        return;
    }
    const auto again = format_plain_record(record.value());
    const auto reparsed = parse_plain_record(again);
    check(reparsed.has_value() && reparsed.value().value == record.value().value &&
              reparsed.value().key == record.value().key &&
              reparsed.value().event_time_us == record.value().event_time_us &&
              reparsed.value().headers.size() == record.value().headers.size(),
          "a plain record survives being written");
}

}  // namespace
}  // namespace millrace::wire

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace;
    auto input = fuzz::bytes_of(data, size);
    const bool is_made_to_fit = (fuzz::take_byte(input) & 1U) != 0;
    wire::parse_plain(input);
    std::vector<std::byte> batch(input.begin(), input.end());
    if (is_made_to_fit) {
        wire::make_fit(batch);
    }
    wire::parse_batch(batch);
    for (auto run = input; const auto header = load_batch_header(run);) {
        wire::parse_batch(run.subspan(BatchHeader::bytes, header->batch_bytes));
        run = run.subspan(header->run_bytes());
    }
    return 0;
}
