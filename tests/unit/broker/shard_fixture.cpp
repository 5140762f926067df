#include "tests/unit/broker/shard_fixture.hpp"

#include <gtest/gtest.h>

#include "client/wire/record_batch.hpp"

namespace millrace::broker::testing {

ShardFixture::ShardFixture(std::uint64_t seed, std::function<void(Shard&)> prepare)
    : disk(seed), prepare_(std::move(prepare)) {
    options.random_seed = seed;
    options.store.directory = "/data/shard-00";
    options.store.segment_bytes = 1_MiB;
    options.store.commit_bytes_max = 256_KiB;
    options.store.tail_cache_bytes_max = 512_KiB;
    options.store.disk_reserve_bytes = 0;
    options.store.index_in_memory = true;
    options.store.background_inline = true;
    open();
}

void ShardFixture::open() {
    shard.reset();
    runtime = std::make_unique<ManualRuntime>(clock, disk);
    metrics = std::make_unique<MetricsRegistry>();
    table.shards = {nullptr};
    shard = make_shard(options, *runtime, *metrics, table);
    table.shards = {shard.get()};
    if (prepare_) {
        prepare_(*shard);
    }
    const auto opened = shard->open();
    ASSERT_TRUE(opened) << opened.error().text;
    runtime->run_until_idle();
}

void ShardFixture::crash() {
    disk.crash();
    shard.reset();
}

std::vector<PartitionId> ShardFixture::make_topic(const std::string& name,
                                                  std::uint32_t partitions) const {
    std::vector<PartitionId> made;
    shard->catalog().create_topic({.name = name, .partition_count = partitions, .settings = {}},
                                  IfExists::fail,
                                  [&](const Result<std::shared_ptr<const TopicInfo>>& topic) {
                                      ASSERT_TRUE(topic) << topic.error().text;
                                      for (const auto& partition : topic.value()->partitions) {
                                          made.push_back(partition.id);
                                      }
                                  });
    runtime->run_until_idle();
    return made;
}

std::vector<std::byte> ShardFixture::batch_of(const std::string& value,
                                              std::int64_t producer,
                                              std::int32_t sequence) {
    wire::RecordBatchBuilder builder;
    builder.add({.key = std::nullopt, .value = value, .headers = {}, .event_time_us = 1});
    return builder.finish({.id = producer, .epoch = 0, .base_sequence = sequence}).value();
}

std::shared_ptr<ShardFixture::Answer> ShardFixture::publish(
    PartitionId partition, const std::vector<std::byte>& batch) const {
    auto answer = std::make_shared<Answer>();
    const PublishBatch one{.partition = partition, .batch = batch};
    shard->publish({&one, 1}, [answer](std::vector<PublishOutcome> outcomes, std::string text) {
        *answer = {.is_there = true, .outcome = outcomes.front(), .text = std::move(text)};
    });
    return answer;
}

ShardFixture::Answer ShardFixture::publish_now(PartitionId partition,
                                               const std::vector<std::byte>& batch) const {
    const auto answer = publish(partition, batch);
    runtime->run_until_idle();
    return *answer;
}

std::vector<std::string> ShardFixture::values(PartitionId partition) const {
    std::vector<std::string> found;
    const auto limits = shard->bounds(partition);
    if (!limits) {
        return found;
    }
    const auto take = [&found](std::uint32_t, const wire::RecordView& record) {
        found.emplace_back(record.value);
        return true;
    };
    shard->read({.partition = partition, .from = limits->first},
                [&](const Result<storage::ReadResult>& result) {
                    ASSERT_TRUE(result) << result.error().text;
                    std::span<const std::byte> runs = result.value().runs;
                    while (const auto header = load_batch_header(runs)) {
                        (void)wire::visit_records(
                            runs.subspan(BatchHeader::bytes, header->batch_bytes), take);
                        runs = runs.subspan(header->run_bytes());
                    }
                });
    runtime->run_until_idle();
    return found;
}

void ShardFixture::finish_segment(PartitionId filler) const {
    constexpr std::size_t value_bytes = 200'000;
    const auto batch = batch_of(std::string(value_bytes, 'x'));
    for (std::size_t bytes = 0; bytes <= options.store.segment_bytes; bytes += value_bytes) {
        ASSERT_EQ(publish_now(filler, batch).outcome.code, Errc::ok);
    }
    runtime->advance(Duration{1'000'000});
}

void ShardFixture::retire(PartitionId partition) const {
    const auto retired = shard->store().enforce_retention(
        partition, {.age_max = std::chrono::milliseconds(0), .bytes_max = {}});
    ASSERT_TRUE(retired) << retired.error().text;
}

}  // namespace millrace::broker::testing
