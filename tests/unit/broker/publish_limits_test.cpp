#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"

#include "client/wire/record_batch.hpp"
#include "storage/base/bytes.hpp"
#include "storage/base/crc32c.hpp"

namespace millrace::broker::testing {
namespace {

using ::testing::HasSubstr;

/// A batch of one record that has so many bytes unpacked, and few as it is.
std::vector<std::byte> packed_batch(std::size_t unpacked_bytes, wire::Codec codec) {
    const std::string key(1'000, 'k');
    const std::string almost(unpacked_bytes - 2 * key.size() - 100, 'v');
    wire::RecordView record{.key = key, .value = almost, .headers = {}, .event_time_us = 1'000};
    const auto missing = unpacked_bytes - wire::unpacked_record_bytes(record);
    const std::string value = almost + std::string(missing, 'v');
    record.value = value;
    EXPECT_EQ(wire::unpacked_record_bytes(record), unpacked_bytes);
    wire::RecordBatchBuilder builder;
    builder.add(record);
    return builder.finish({}, codec).value();
}

class PublishLimits : public ::testing::TestWithParam<std::tuple<wire::Codec, std::uint64_t>> {
  protected:
    ShardFixture fixture;
};

TEST_P(PublishLimits, RecordCountsUnpackedAndItsLimitNamesItself) {
    const auto [codec, window_ms] = GetParam();
    const auto partition = fixture.make_topic("a.b").front();
    TopicAlteration change;
    change.name = "a.b";
    change.duplicate_window_ms = window_ms;
    fixture.shard->catalog().alter_topic(change, [](const auto& done) { ASSERT_TRUE(done); });
    fixture.runtime->run_until_idle();
    const auto limit = wire::unpacked_record_bytes_max;
    EXPECT_EQ(fixture.publish_now(partition, packed_batch(limit, codec)).outcome.code, Errc::ok);
    const auto refused = fixture.publish_now(partition, packed_batch(limit + 1, codec));
    EXPECT_EQ(refused.outcome.code, Errc::record_too_large);
    EXPECT_FALSE(is_retryable(refused.outcome.code));
    EXPECT_THAT(refused.text, HasSubstr("limit unpacked_record_bytes_max is 1572864"));
    EXPECT_EQ(fixture.shard->bounds(partition)->next, Offset{1});
    const auto samples = fixture.metrics->samples();
    const auto counted =
        std::ranges::find(samples, "millrace_shard_publish_too_large_total", &MetricSample::name);
    ASSERT_NE(counted, samples.end());
    EXPECT_EQ(counted->value, 1);
}

INSTANTIATE_TEST_SUITE_P(Packed,
                         PublishLimits,
                         ::testing::Combine(::testing::Values(wire::Codec::lz4, wire::Codec::zstd),
                                            ::testing::Values(0U, 1'000U)));

/// A batch of records that have so many bytes each, alone.
std::vector<std::byte> batch_of_records(std::size_t count, std::size_t bytes, wire::Codec codec) {
    constexpr std::size_t around = 1 + 1 + 1 + 1 + 2 + 1 + 2;  // lengths below 8 KiB take two bytes
    const std::string value(bytes - around, 'v');
    const wire::RecordView record{
        .key = std::nullopt, .value = value, .headers = {}, .event_time_us = 1'000};
    EXPECT_EQ(wire::record_bytes(record, {.time = 1'000}), bytes);
    wire::RecordBatchBuilder builder;
    for (std::size_t i = 0; i < count; ++i) {
        builder.add(record);
    }
    return builder.finish({}, codec).value();
}

TEST(PublishLimitsOfAShard, ATopicsLimitHoldsForItsRecordsAndNotForTheBatch) {
    ShardFixture fixture;
    const auto partition = fixture.make_topic("a.b").front();
    TopicAlteration change;
    change.name = "a.b";
    change.record_bytes_max = 1'000;
    fixture.shard->catalog().alter_topic(change, [](const auto& done) { ASSERT_TRUE(done); });
    fixture.runtime->run_until_idle();
    for (const auto codec : {wire::Codec::none, wire::Codec::zstd}) {
        const auto fits = batch_of_records(10, 1'000, codec);
        EXPECT_EQ(fixture.publish_now(partition, fits).outcome.code, Errc::ok);
        const auto refused = fixture.publish_now(partition, batch_of_records(2, 1'001, codec));
        EXPECT_EQ(refused.outcome.code, Errc::record_too_large);
        EXPECT_THAT(refused.text, HasSubstr("limit record_bytes_max of its topic is 1000"));
    }
    EXPECT_EQ(fixture.shard->bounds(partition)->next, Offset{20});
}

TEST(PublishLimitsOfAShard, PackedRecordsThatDoNotUnpackAreRefused) {
    ShardFixture fixture;
    const auto partition = fixture.make_topic("a.b").front();
    TopicAlteration change;
    change.name = "a.b";
    change.duplicate_window_ms = 0;
    fixture.shard->catalog().alter_topic(change, [](const auto& done) { ASSERT_TRUE(done); });
    fixture.runtime->run_until_idle();
    wire::RecordBatchBuilder builder;
    builder.add({.key = "k", .value = "v", .headers = {}, .event_time_us = 1});
    auto batch = builder.finish({}).value();
    batch[22] = static_cast<std::byte>(wire::Codec::zstd);  // which it is not
    store_be(std::span(batch).subspan(17), crc32c(std::span(batch).subspan(21)));
    EXPECT_EQ(fixture.publish_now(partition, batch).outcome.code, Errc::malformed);
}

TEST(PublishLimitsOfAShard, WhatTheBrokerDoesByItselfGivesWayAsBulkDoes) {
    ShardFixture fixture;
    fixture.options.publish.ahead_yielding_bytes_max = 1;
    fixture.options.publish.bulk_yielding_bytes_per_second = 1'000'000'000'000;
    fixture.open();
    const auto partition = fixture.make_topic("a.b").front();
    ASSERT_EQ(fixture.publish_now(partition, ShardFixture::batch_of("live")).outcome.code,
              Errc::ok);
    const auto first = ShardFixture::batch_of("first");
    const auto second = ShardFixture::batch_of("second");
    const std::vector<PublishBatch> batches{
        {.partition = partition, .batch = first, .is_background = true},
        {.partition = partition, .batch = second, .is_background = true}};
    std::vector<PublishOutcome> outcomes;
    fixture.shard->publish(batches, [&](auto answered, const auto&) { outcomes = answered; });
    const auto samples = fixture.metrics->samples();
    const auto is_of_bulk = [](const MetricSample& sample) {
        return sample.name == "millrace_shard_publish_held_total" &&
               std::ranges::find(sample.labels,
                                 std::pair<std::string, std::string>("criticality", "bulk")) !=
                   sample.labels.end();
    };
    const auto held = std::ranges::find_if(samples, is_of_bulk);
    ASSERT_NE(held, samples.end());
    EXPECT_EQ(held->value, 1);
    fixture.runtime->run_until_idle();
    ASSERT_EQ(outcomes.size(), 2U);
    EXPECT_EQ(outcomes[0].base_offset, Offset{1});
    EXPECT_EQ(outcomes[1].base_offset, Offset{2});
    EXPECT_EQ(fixture.values(partition), (std::vector<std::string>{"live", "first", "second"}));
}

TEST(PublishLimitsOfAShard, WhatMayWaitMustFitBelowTheBacklogOfTheLog) {
    MetricsRegistry metrics;
    ManualClock clock;
    storage::SimDisk disk(1);
    ManualRuntime runtime(clock, disk);
    const ShardTable table{.shards = {nullptr}};
    ShardOptions options;
    options.store.directory = "/data/shard-00";
    options.store.index_in_memory = true;
    options.store.background_inline = true;
    options.store.disk_reserve_bytes = 0;
    options.publish.bytes_pending_max = options.store.commit_backlog_bytes_max - 8_MiB + 1;
    const auto refused = make_shard(options, runtime, metrics, table)->open();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::configuration);
    EXPECT_THAT(refused.error().text, HasSubstr("publish_bytes_pending_max is 58720257"));
    --options.publish.bytes_pending_max;
    EXPECT_TRUE(make_shard(options, runtime, metrics, table)->open());
}

}  // namespace
}  // namespace millrace::broker::testing
