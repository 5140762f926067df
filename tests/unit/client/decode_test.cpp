#include "client/src/decode.hpp"

#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/wire/record_batch.hpp"

namespace millrace::client {
namespace {

using ::testing::SizeIs;

constexpr PartitionId decoded_partition{11};
constexpr std::int64_t append_time_us = 1'700'000'000'000'000;

/// `k<offset>` and `v<offset>`, with a header.
std::vector<std::byte> run_of(std::uint64_t first, std::uint32_t count, wire::Codec codec) {
    wire::RecordBatchBuilder builder;
    for (auto offset = first; offset < first + count; ++offset) {
        const auto number = std::to_string(offset);
        const auto key = "k" + number;
        const auto value = "v" + number;
        builder.add({.key = key, .value = value, .headers = {{"site", number}}});
    }
    const auto batch = builder.finish({}, codec).value();
    const BatchHeader header{.partition = decoded_partition,
                             .record_count = count,
                             .base_offset = Offset{first},
                             .append_time_us = append_time_us,
                             .batch_bytes = static_cast<std::uint32_t>(batch.size())};
    std::vector<std::byte> run(header.run_bytes());
    store_batch_header(run, header);
    std::ranges::copy(batch, run.begin() + BatchHeader::bytes);
    return run;
}

std::shared_ptr<RecordMemory> memory_of(std::vector<std::byte> run) {
    PartitionNames names{{decoded_partition.value, {.topic = "plant1.mes.step", .index = 3}}};
    return std::make_shared<RecordMemory>(std::move(run),
                                          std::make_shared<const PartitionNames>(std::move(names)));
}

struct Decoding : ::testing::TestWithParam<wire::Codec> {};

TEST_P(Decoding, RecordsKeepWhatTheyPointInto) {
    std::vector<Record> records;
    {
        const auto memory = memory_of(run_of(40, 3, GetParam()));
        ASSERT_TRUE(append_run(memory, memory->bytes(), Offset{41}, records));
    }
    ASSERT_THAT(records, SizeIs(2));
    const auto last = records.back();
    records.clear();
    EXPECT_EQ(last.topic, "plant1.mes.step");
    EXPECT_EQ(last.partition, 3U);
    EXPECT_EQ(last.offset, 42U);
    EXPECT_EQ(last.append_time_us, append_time_us);
    EXPECT_EQ(last.key, "k42");
    EXPECT_EQ(last.value, "v42");
    EXPECT_THAT(last.headers, ::testing::ElementsAre(HeaderView{.key = "site", .value = "42"}));
}

TEST_P(Decoding, TheMemoryGoesWithTheLastRecord) {
    std::vector<Record> records;
    auto memory = memory_of(run_of(0, 2, GetParam()));
    const std::weak_ptr<RecordMemory> watched = memory;
    ASSERT_TRUE(append_run(memory, memory->bytes(), Offset{0}, records));
    memory.reset();
    auto kept = records.front();
    records.clear();
    EXPECT_EQ(kept.value, "v0");
    EXPECT_FALSE(watched.expired());
    kept = {};
    EXPECT_TRUE(watched.expired());
}

INSTANTIATE_TEST_SUITE_P(Codecs,
                         Decoding,
                         ::testing::Values(wire::Codec::none, wire::Codec::lz4, wire::Codec::zstd));

TEST(AppendRun, OfABatchThatDoesNotVerifyLeavesTheRecordsBeforeIt) {
    auto runs = run_of(0, 2, wire::Codec::none);
    const auto broken = run_of(2, 2, wire::Codec::none);
    runs.insert(runs.end(), broken.begin(), broken.end());
    runs.back() ^= std::byte{1};
    runs[runs.size() - BatchHeader::alignment - 1] ^= std::byte{1};
    const auto memory =
        std::make_shared<RecordMemory>(std::move(runs), std::make_shared<const PartitionNames>());
    std::vector<Record> records;
    const auto read = append_run(memory, memory->bytes(), Offset{0}, records);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Errc::checksum_mismatch);
    EXPECT_THAT(records, SizeIs(2));
    EXPECT_EQ(records.back().topic, "");
}

}  // namespace
}  // namespace millrace::client
