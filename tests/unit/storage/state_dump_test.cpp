#include "storage/log/state_dump.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::storage::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

/// A frame that owns its payload.
struct Frame {
    std::uint8_t flags = 0;
    std::uint16_t part = dump_of_state;
    std::uint64_t number = 0;
    std::string payload;
};

Result<void> add(StateDumpReader& reader, const Frame& frame) {
    return reader.add({.kind = FrameKind::checkpoint,
                       .flags = frame.flags,
                       .entry_type = frame.part,
                       .index = RaftIndex{frame.number},
                       .payload = std::as_bytes(std::span(frame.payload))});
}

using Ends = StateDumpReader::Ends;

std::vector<Frame> frames_of(const std::map<std::string, std::string>& rows,
                             std::size_t bytes,
                             const Ends& ends = {}) {
    const auto store = KeyValueStore::open("/index", std::make_shared<KeyValueMemory>()).value();
    KeyValueBatch batch;
    for (const auto& [key, value] : rows) {
        batch.put("s" + key, value);
    }
    for (const auto& [partition, next] : ends) {
        batch.put(partition_key(partition), format_partition_row({.first = {}, .next = next}));
    }
    batch.put("t", "is no state");
    EXPECT_TRUE(store->write(std::move(batch), Durability::later));
    StateDumpWriter writer(*store, bytes);
    std::vector<Frame> frames;
    while (!writer.is_at_end()) {
        const auto frame = writer.next().value();
        frames.push_back({.flags = frame.flags,
                          .part = frame.entry_type,
                          .number = frame.index.value,
                          .payload = {reinterpret_cast<const char*>(frame.payload.data()),
                                      frame.payload.size()}});
    }
    return frames;
}

void add_all(StateDumpReader& reader, const std::vector<Frame>& frames) {
    for (const auto& frame : frames) {
        ASSERT_TRUE(add(reader, frame));
    }
}

TEST(StateDump, RowsOfAnySizeComeBackWhateverTheFramesAre) {
    const std::map<std::string, std::string> rows{
        {"a", ""}, {"b", std::string(1'000, 'b')}, {"c", "c"}};
    for (const std::size_t bytes : {1U, 7U, 100U, 1'033U, 5'000U}) {
        StateDumpReader reader;
        for (const auto& frame : frames_of(rows, bytes)) {
            EXPECT_LE(frame.payload.size(), bytes);
            ASSERT_TRUE(add(reader, frame));
        }
        EXPECT_EQ(reader.rows(), rows) << bytes;
    }
}

TEST(StateDump, EndsOfPartitionsComeBackWhateverTheFramesAre) {
    const std::map<std::string, std::string> rows{{"a", "1"}, {"b", std::string(100, 'b')}};
    const Ends ends{{PartitionId{1}, Offset{5}}, {PartitionId{300}, Offset{1'000'000}}};
    for (const auto& state : {rows, std::map<std::string, std::string>{}}) {
        for (const std::size_t bytes : {1U, 7U, 11U, 100U, 5'000U}) {
            StateDumpReader reader;
            add_all(reader, frames_of(state, bytes, ends));
            EXPECT_EQ(reader.rows(), state) << bytes;
            EXPECT_EQ(reader.ends(), ends) << bytes;
        }
    }
}

TEST(StateDump, DumpOfAnOlderProgramHasNoEnds) {
    StateDumpReader reader;
    auto frames = frames_of({{"k", "v"}}, 100);
    ASSERT_EQ(frames[0].part, dump_of_state);
    frames[0].flags = dump_first | dump_last;
    ASSERT_TRUE(add(reader, frames[0]));
    EXPECT_THAT(reader.rows(), UnorderedElementsAre(Pair("k", "v")));
    EXPECT_THAT(reader.ends(), IsEmpty());
}

TEST(StateDump, PartsThatAreUnknownOrOutOfOrderCostThatDumpAlone) {
    const auto good = frames_of({{"k", "v"}}, 100, {{PartitionId{1}, Offset{5}}});
    ASSERT_EQ(good.size(), 2U);
    const auto complains = [&good](std::uint16_t first, std::uint16_t second) {
        StateDumpReader reader;
        auto frames = good;
        frames[0].part = first;
        frames[1].part = second;
        const bool is_taken = add(reader, frames[0]) && add(reader, frames[1]);
        EXPECT_THAT(reader.rows(), IsEmpty());
        return !is_taken;
    };
    EXPECT_TRUE(complains(dump_of_state, 2));
    EXPECT_TRUE(complains(dump_of_partitions, dump_of_state));
    EXPECT_TRUE(complains(2, 2));
}

TEST(StateDump, EmptyStateIsOneFrame) {
    StateDumpReader reader;
    const auto frames = frames_of({}, 100);
    ASSERT_EQ(frames.size(), 1U);
    EXPECT_TRUE(add(reader, frames.front()));
    EXPECT_THAT(reader.rows(), IsEmpty());
}

TEST(StateDump, MissingFrameCostsThatDumpAlone) {
    StateDumpReader reader;
    for (const auto& frame : frames_of({{"k", "old"}}, 100)) {
        ASSERT_TRUE(add(reader, frame));
    }
    auto frames = frames_of({{"k", std::string(300, 'n')}}, 100);
    ASSERT_GT(frames.size(), 3U);
    frames.erase(frames.begin() + 1);
    EXPECT_TRUE(add(reader, frames[0]));
    const auto gap = add(reader, frames[1]);
    ASSERT_FALSE(gap);
    EXPECT_EQ(gap.error().code, Errc::corrupt);
    EXPECT_TRUE(add(reader, frames[2]));
    EXPECT_THAT(reader.rows(), UnorderedElementsAre(Pair("k", "old")));
}

TEST(StateDump, DumpOfAnOlderProgramHasNoNumbers) {
    StateDumpReader reader;
    for (auto frame : frames_of({{"k", "v"}, {"l", "w"}}, 10)) {
        frame.number = 0;
        ASSERT_TRUE(add(reader, frame));
    }
    EXPECT_THAT(reader.rows(), UnorderedElementsAre(Pair("k", "v"), Pair("l", "w")));
}

TEST(StateDump, FramesWithoutTheirBeginningAreLeftOut) {
    StateDumpReader reader;
    const auto frames = frames_of({{"k", std::string(300, 'v')}}, 100);
    for (std::size_t i = 1; i < frames.size(); ++i) {
        EXPECT_TRUE(add(reader, frames[i]));
    }
    EXPECT_THAT(reader.rows(), IsEmpty());
}

}  // namespace
}  // namespace millrace::storage::testing
