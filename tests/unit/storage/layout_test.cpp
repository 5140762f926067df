#include "storage/format/layout.hpp"

#include <array>
#include <string>

#include <gtest/gtest.h>

#include "storage/base/bytes.hpp"
#include "storage/index/index_rows.hpp"

namespace millrace::storage {
namespace {

const std::string payload_text = "sixteen bytes ok";

std::vector<std::byte> stored_frame() {
    std::vector<std::byte> bytes(frame_bytes(payload_text.size()));
    store_frame(bytes,
                {.kind = FrameKind::entry,
                 .flags = 3,
                 .entry_type = entry_type_records,
                 .group = GroupId{7},
                 .batch_count = 2,
                 .index = RaftIndex{11},
                 .term = RaftTerm{5},
                 .payload = std::as_bytes(std::span(payload_text))},
                42);
    return bytes;
}

TEST(Frame, ComesBackAsItWasStored) {
    const auto bytes = stored_frame();
    const auto frame = load_frame(bytes, 42);
    ASSERT_TRUE(frame);
    EXPECT_EQ(frame->flags, 3);
    EXPECT_EQ(frame->group, GroupId{7});
    EXPECT_EQ(frame->batch_count, 2U);
    EXPECT_EQ(frame->index, RaftIndex{11});
    EXPECT_EQ(frame->term, RaftTerm{5});
    EXPECT_EQ(
        std::string(reinterpret_cast<const char*>(frame->payload.data()), frame->payload.size()),
        payload_text);
}

TEST(Frame, AnyFlippedBitOrOtherSeedMakesItInvalid) {
    const auto good = stored_frame();
    EXPECT_FALSE(load_frame(good, 43));
    for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
        auto bad = good;
        bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
        EXPECT_FALSE(load_frame(bad, 42)) << "bit " << bit;
    }
}

TEST(Frame, EveryTruncationIsInvalid) {
    const auto good = stored_frame();
    for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
        EXPECT_FALSE(load_frame(std::span(good).first(bytes), 42)) << bytes;
    }
}

TEST(Frame, GoldenBytesStay) {
    const auto bytes = stored_frame();
    // payload_bytes 16, kind 1, flags 3, entry_type 1, group 7, batches 2, index 11, term 5.
    const std::array<unsigned, 32> expected{16, 0, 0, 0, 1, 3, 1, 0, 7, 0, 0, 0, 2, 0, 0, 0,
                                            11, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(std::to_integer<unsigned>(bytes[8 + i]), expected[i]) << "byte " << 8 + i;
    }
}

TEST(SegmentHeader, NewerFormatIsRefusedWithBothVersions) {
    std::vector<std::byte> bytes(disk_alignment);
    store_segment_header(bytes, {.sequence = SegmentSequence{9}, .hash_seed = 1});
    store_le(std::span(bytes).subspan(8), std::uint32_t{3});
    const auto header = parse_segment_header(bytes);
    ASSERT_FALSE(header);
    EXPECT_EQ(header.error().code, Errc::newer_format);
    EXPECT_NE(header.error().text.find("format 3"), std::string::npos);
    EXPECT_NE(header.error().text.find("program's 2"), std::string::npos);
}

TEST(CommitHeader, IsBoundToTheSeedOfItsSegment) {
    std::vector<std::byte> bytes(CommitHeader::bytes);
    store_commit_header(
        bytes,
        {.total_bytes = 8192, .sequence = CommitSequence{4}, .writer_epoch = 2, .frame_count = 3},
        77);
    const auto header = load_commit_header(bytes, 77);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->sequence, CommitSequence{4});
    EXPECT_EQ(header->frame_count, 3U);
    EXPECT_FALSE(load_commit_header(bytes, 78));
}

TEST(Chunk, ComesBackAsItWasFormattedAndTruncationIsCorrupt) {
    Chunk chunk{.segment = SegmentSequence{3}, .live_bytes = 300};
    chunk.entries.push_back({.base_offset = Offset{10},
                             .record_count = 5,
                             .run_bytes = 100,
                             .position = 4160,
                             .append_time_us = 1000});
    chunk.entries.push_back({.base_offset = Offset{20},
                             .record_count = 1,
                             .run_bytes = 200,
                             .position = 9000,
                             .append_time_us = 1500});
    const auto text = format_chunk(chunk);
    const auto parsed = parse_chunk(text);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed.value().entries[1].base_offset, Offset{20});
    EXPECT_EQ(parsed.value().entries[1].position, 9000U);
    EXPECT_EQ(parsed.value().entries[1].append_time_us, 1500);
    for (std::size_t bytes = 0; bytes < text.size(); ++bytes) {
        EXPECT_FALSE(parse_chunk(std::string_view(text).substr(0, bytes))) << bytes;
    }
}

}  // namespace
}  // namespace millrace::storage
