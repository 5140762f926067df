#include "client/wire/record_batch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/bytes.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/crc32c.hpp"

namespace millrace::wire {
namespace {

using ::testing::ElementsAre;

constexpr UnixMicros noon_us = 1'700'000'000'123'000;

std::vector<std::byte> three_records(Codec codec = Codec::none) {
    RecordBatchBuilder builder;
    builder.add({.key = "k1",
                 .value = "one",
                 .headers = {{.key = "schema", .value = "v1"}},
                 .event_time_us = noon_us});
    builder.add(
        {.key = std::nullopt, .value = "", .headers = {}, .event_time_us = noon_us + 2'000});
    builder.add({.key = "",
                 .value = std::string_view("\0x", 2),
                 .headers = {},
                 .event_time_us = noon_us - 5'000});
    return builder.finish({.id = 7, .epoch = 3, .base_sequence = 41}, codec).value();
}

class RecordBatch : public ::testing::TestWithParam<Codec> {};

TEST_P(RecordBatch, GivesBackWhatWasPutIn) {
    const auto batch = three_records(GetParam());
    std::vector<std::string> values;
    std::vector<bool> has_key;
    std::vector<UnixMicros> times;
    ASSERT_TRUE(visit_records(batch, [&](std::uint32_t number, const RecordView& record) {
        EXPECT_EQ(number, values.size());
        values.emplace_back(record.value);
        has_key.push_back(record.key.has_value());
        times.push_back(record.event_time_us);
        if (number == 0) {
            EXPECT_EQ(record.header("schema"), "v1");
        }
        return true;
    }));
    EXPECT_THAT(values, ElementsAre("one", "", std::string("\0x", 2)));
    EXPECT_THAT(has_key, ElementsAre(true, false, true));
    EXPECT_THAT(times, ElementsAre(noon_us, noon_us + 2'000, noon_us - 5'000));
}

TEST_P(RecordBatch, IsValidAndSummarised) {
    const auto summary = validate_batch(three_records(GetParam()));
    ASSERT_TRUE(summary) << summary.error().text;
    EXPECT_EQ(summary.value().record_count, 3U);
    EXPECT_EQ(summary.value().producer_id, 7);
    EXPECT_EQ(summary.value().producer_epoch, 3);
    EXPECT_EQ(summary.value().base_sequence, 41);
    EXPECT_EQ(summary.value().codec, GetParam());
    EXPECT_EQ(summary.value().max_timestamp_ms, (noon_us + 2'000) / 1'000);
}

TEST_P(RecordBatch, EveryFlippedBitIsNoticedButInTheOffset) {
    const auto good = three_records(GetParam());
    constexpr std::size_t offset_bytes = 8;
    constexpr std::size_t leader_epoch_at = 12;  // not covered by the checksum, and not used
    for (std::size_t at = offset_bytes; at < good.size(); ++at) {
        auto bad = good;
        bad[at] ^= std::byte{1};
        const bool is_leader_epoch = at >= leader_epoch_at && at < leader_epoch_at + 4;
        EXPECT_EQ(validate_batch(bad).has_value(), is_leader_epoch) << at;
    }
}

TEST_P(RecordBatch, EveryTruncationIsRefused) {
    const auto good = three_records(GetParam());
    for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
        EXPECT_FALSE(validate_batch(std::span(good).first(bytes))) << bytes;
    }
}

INSTANTIATE_TEST_SUITE_P(Codecs,
                         RecordBatch,
                         ::testing::Values(Codec::none, Codec::lz4, Codec::zstd));

TEST(RecordBatchLayout, IsKafkasVersion2) {
    auto batch = three_records();
    set_base_offset(batch, Offset{0x0102030405060708});
    const std::span<const std::byte> bytes(batch);
    EXPECT_EQ(load_be<std::uint64_t>(bytes), 0x0102030405060708U);
    EXPECT_EQ(load_be<std::uint32_t>(bytes.subspan(8)), batch.size() - 12);
    EXPECT_EQ(bytes[16], std::byte{2});
    EXPECT_EQ(load_be<std::uint32_t>(bytes.subspan(17)), crc32c(bytes.subspan(21)));
    EXPECT_EQ(load_be<std::uint32_t>(bytes.subspan(23)), 2U);
    EXPECT_EQ(load_be<std::int64_t>(bytes.subspan(27)), noon_us / 1'000);
    EXPECT_EQ(load_be<std::uint32_t>(bytes.subspan(57)), 3U);
    // The first record: length 21, attributes, time delta 0, offset delta 0, key 2, "k1", ...
    EXPECT_EQ(bytes[61], std::byte{21 * 2});
    EXPECT_EQ(bytes[65], std::byte{2 * 2});
    EXPECT_EQ(bytes[66], std::byte{'k'});
    EXPECT_TRUE(validate_batch(batch));
}

TEST(RecordBatchLayout, ABatchTakesAnotherPlaceInItsProducersOrder) {
    RecordBatchBuilder builder;
    const RecordView record{
        .key = std::nullopt, .value = "x", .headers = {}, .event_time_us = noon_us};
    builder.add(record);
    auto moved = builder.finish({.id = 5, .epoch = 0, .base_sequence = 17}).value();
    set_producer(moved, {.id = 6, .epoch = 3, .base_sequence = 0});
    builder.add(record);
    EXPECT_EQ(moved, builder.finish({.id = 6, .epoch = 3, .base_sequence = 0}).value());
    EXPECT_EQ(advance_sequence(0x7fffffff, 1), 0);
}

TEST(RecordBatchBuilder, IsEmptyAgainAfterABatch) {
    RecordBatchBuilder builder;
    builder.add({.key = std::nullopt, .value = "x", .headers = {}, .event_time_us = noon_us});
    EXPECT_EQ(builder.record_count(), 1U);
    const auto expected = builder.batch_bytes();
    EXPECT_EQ(builder.finish({}).value().size(), expected);
    EXPECT_EQ(builder.record_count(), 0U);
    EXPECT_EQ(builder.batch_bytes(), batch_header_bytes);
}

}  // namespace
}  // namespace millrace::wire
