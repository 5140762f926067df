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
    std::uint64_t number = 0;
    std::string payload;
};

Result<void> add(StateDumpReader& reader, const Frame& frame) {
    return reader.add({.kind = FrameKind::checkpoint,
                       .flags = frame.flags,
                       .index = RaftIndex{frame.number},
                       .payload = std::as_bytes(std::span(frame.payload))});
}

std::vector<Frame> frames_of(const std::map<std::string, std::string>& rows, std::size_t bytes) {
    const auto store = KeyValueStore::open("/index", KeyValueStore::Place::memory).value();
    KeyValueBatch batch;
    for (const auto& [key, value] : rows) {
        batch.put("s" + key, value);
    }
    batch.put("t", "is no state");
    EXPECT_TRUE(store->write(std::move(batch), Durability::later));
    StateDumpWriter writer(store->cursor("s"), bytes);
    std::vector<Frame> frames;
    while (!writer.is_at_end()) {
        const auto frame = writer.next().value();
        frames.push_back({.flags = frame.flags,
                          .number = frame.index.value,
                          .payload = {reinterpret_cast<const char*>(frame.payload.data()),
                                      frame.payload.size()}});
    }
    return frames;
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
