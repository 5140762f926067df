#include "client/wire/frame.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/bytes.hpp"

namespace millrace::wire {
namespace {

using ::testing::ElementsAre;

std::vector<std::byte> frame_of(std::uint32_t correlation, std::size_t table_bytes) {
    const std::vector<std::byte> table(table_bytes, std::byte{0x11});
    const std::vector<std::byte> raw(5, std::byte{0x22});
    const std::array<std::span<const std::byte>, 2> pieces{raw, raw};
    return format_frame({.api = 9, .version = 1, .correlation = correlation}, table, pieces);
}

TEST(FrameReader, FindsFramesHoweverTheStreamIsCut) {
    std::vector<std::byte> stream;
    for (std::uint32_t i = 0; i < 5; ++i) {
        const auto frame = frame_of(i, std::size_t{7} * i);
        EXPECT_EQ(frame.size() % 8, 0U);
        stream.insert(stream.end(), frame.begin(), frame.end());
    }
    for (const std::size_t step :
         {std::size_t{1}, std::size_t{3}, std::size_t{64}, stream.size()}) {
        FrameReader reader;
        std::vector<std::uint32_t> found;
        const auto take = [&found](const FrameView& view) {
            found.push_back(view.header.correlation);
            EXPECT_EQ(view.table.size(), view.header.correlation * 7);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(view.table.data()) % 8, 0U);
            EXPECT_EQ(view.raw.front(), std::byte{0x22});
            return true;
        };
        for (std::size_t at = 0; at < stream.size(); at += step) {
            const auto part = std::span(stream).subspan(at, std::min(step, stream.size() - at));
            ASSERT_TRUE(reader.feed(part, take));
        }
        EXPECT_THAT(found, ElementsAre(0, 1, 2, 3, 4)) << step;
        EXPECT_FALSE(reader.is_inside_frame());
    }
}

TEST(FrameReader, HandsOutFramesFromWhereTheirBytesWerePut) {
    auto stream = frame_of(1, 3'000'000);
    const auto second = frame_of(2, 8);
    stream.insert(stream.end(), second.begin(), second.end());
    FrameReader reader;
    std::vector<std::uint32_t> found;
    const std::byte* put_at = nullptr;
    const auto take = [&](const FrameView& view) {
        found.push_back(view.header.correlation);
        EXPECT_EQ(view.table.data(), put_at + FrameHeader::bytes);
        return true;
    };
    std::size_t most = 0;
    for (std::size_t at = 0; at < stream.size();) {
        const auto room = reader.prepare();
        most = std::max(most, room.size());
        const auto bytes = std::min(room.size(), stream.size() - at);
        std::memcpy(room.data(), &stream[at], bytes);
        put_at = room.data() - (found.empty() ? at : 0);
        at += bytes;
        ASSERT_TRUE(reader.commit(bytes, take));
    }
    EXPECT_THAT(found, ElementsAre(1, 2));
    EXPECT_GT(most, std::size_t{1'000'000}) << "a long frame comes in few pieces";
}

/// Receives the stream and keeps the record bytes of each frame.
std::vector<SharedBytes> keep_all(FrameReader& reader, std::span<const std::byte> stream) {
    std::vector<SharedBytes> kept;
    const auto keep = [&kept](const FrameView& frame) {
        kept.push_back(frame.keep_raw());
        return true;
    };
    while (!stream.empty()) {
        const auto room = reader.prepare();
        const auto now = stream.first(std::min(stream.size(), room.size()));
        copy_bytes(now, room);
        EXPECT_TRUE(reader.commit(now.size(), keep));
        stream = stream.subspan(now.size());
    }
    return kept;
}

/// Frames whose record bytes are as many as given, each of them the frame's number.
std::vector<std::byte> numbered_stream(const std::vector<std::size_t>& raw_bytes) {
    std::vector<std::byte> stream;
    for (std::size_t number = 0; number < raw_bytes.size(); ++number) {
        const std::vector<std::byte> raw(raw_bytes[number], static_cast<std::byte>(number));
        const std::array<std::span<const std::byte>, 1> pieces{raw};
        const auto frame = format_frame({.api = 9}, std::vector<std::byte>(8), pieces);
        stream.insert(stream.end(), frame.begin(), frame.end());
    }
    return stream;
}

TEST(FrameReader, WhatIsKeptStaysWhileItReadsOn) {
    const std::vector<std::size_t> sizes{4'000'000, 16, 4'000'000, 0, 2'000'000, 4'000'000};
    const auto stream = numbered_stream(sizes);
    FrameReader reader;
    const auto kept = keep_all(reader, stream);
    ASSERT_EQ(kept.size(), sizes.size());
    for (std::size_t number = 0; number < kept.size(); ++number) {
        EXPECT_EQ(kept[number].size(), sizes[number]);
        EXPECT_EQ(std::ranges::count(kept[number].span(), static_cast<std::byte>(number)),
                  static_cast<std::ptrdiff_t>(sizes[number]));
    }
}

TEST(FrameReader, ABufferThatNobodyKeepsIsUsedAgain) {
    const auto stream = numbered_stream({4'000'000});
    FrameReader reader;
    std::set<const std::byte*> places;
    for (int i = 0; i < 10; ++i) {
        const auto kept = keep_all(reader, stream);
        places.insert(kept.front().span().data());
    }
    // The first was not to be kept when it was made; then two take turns.
    EXPECT_LE(places.size(), 3U);
}

TEST(FrameReader, LittleIsCopiedSoThatItDoesNotHoldMuch) {
    FrameReader reader;
    (void)keep_all(reader, numbered_stream({4'000'000}));
    const auto buffer = reader.prepare();
    const auto kept = keep_all(reader, numbered_stream({1'000}));
    EXPECT_EQ(reader.prepare().data(), buffer.data()) << "it goes on in the same one";
    EXPECT_EQ(kept.front().span().front(), std::byte{0});
    const auto* const at = kept.front().span().data();
    EXPECT_TRUE(at < buffer.data() || at >= buffer.data() + buffer.size());
}

TEST(FrameReader, MayEndBeforeWhatIsKept) {
    std::vector<SharedBytes> kept;
    {
        FrameReader reader;
        kept = keep_all(reader, numbered_stream({4'000'000, 4'000'000}));
    }
    EXPECT_EQ(kept[1].span().back(), std::byte{1});
}

TEST(FrameReader, ALengthAloneTakesNoMemory) {
    FrameReader reader;
    const auto first = reader.prepare().size();
    std::vector<std::byte> length(4);
    store_le(std::span(length), static_cast<std::uint32_t>(frame_bytes_max_default - 4));
    ASSERT_TRUE(reader.feed(length, [](const FrameView&) { return true; }));
    EXPECT_EQ(reader.prepare().size(), first);
}

TEST(Frame, AHeadAndItsRecordBytesAreTheFrame) {
    const std::vector<std::byte> table(13, std::byte{0x11});
    const std::vector<std::byte> raw(16, std::byte{0x22});
    const std::array<std::span<const std::byte>, 1> pieces{raw};
    const FrameHeader header{.api = 9, .version = 1, .correlation = 3};
    auto whole = format_frame_head(header, table, raw.size());
    whole.insert(whole.end(), raw.begin(), raw.end());
    EXPECT_EQ(whole, format_frame(header, table, pieces));
}

TEST(FrameReader, StopsWhenTheHandlerHasEnough) {
    auto stream = frame_of(1, 8);
    const auto second = frame_of(2, 8);
    stream.insert(stream.end(), second.begin(), second.end());
    FrameReader reader;
    int seen = 0;
    ASSERT_TRUE(reader.feed(stream, [&](const FrameView&) { return ++seen < 1; }));
    EXPECT_EQ(seen, 1);
    EXPECT_TRUE(reader.is_inside_frame());
}

TEST(FrameReader, LongFrameIsRefusedByItsFirstFourBytes) {
    FrameReader reader(1'024);
    std::vector<std::byte> length(4);
    store_le(std::span(length), std::uint32_t{1'024});  // and the length's own four bytes
    const auto refused = reader.feed(length, [](const FrameView&) { return true; });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::frame_too_large);
    EXPECT_NE(refused.error().text.find("frame_bytes_max is 1024"), std::string::npos);
}

TEST(FrameReader, FrameAtTheLimitIsTaken) {
    const auto frame = frame_of(1, 1'000);
    FrameReader reader(frame.size());
    int seen = 0;
    ASSERT_TRUE(reader.feed(frame, [&](const FrameView&) { return ++seen > 0; }));
    EXPECT_EQ(seen, 1);
}

TEST(FrameReader, LengthsAndHeadersThatAreNoneAreMalformed) {
    const auto refused_with = [](std::vector<std::byte> frame) {
        FrameReader reader;
        const auto fed = reader.feed(frame, [](const FrameView&) { return true; });
        return fed ? Errc::ok : fed.error().code;
    };
    auto odd = frame_of(1, 8);
    store_le(std::span(odd), static_cast<std::uint32_t>(odd.size() - 4 + 1));
    EXPECT_EQ(refused_with(odd), Errc::malformed);
    auto table = frame_of(1, 8);
    store_le(std::span(table).subspan(16), static_cast<std::uint32_t>(table.size()));
    EXPECT_EQ(refused_with(table), Errc::malformed);
    auto reserved = frame_of(1, 8);
    reserved[20] = std::byte{1};
    EXPECT_EQ(refused_with(reserved), Errc::malformed);
    EXPECT_EQ(refused_with(frame_of(1, 8)), Errc::ok);
}

}  // namespace
}  // namespace millrace::wire
