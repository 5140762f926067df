#include "broker/peers/frame_compression.hpp"

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "storage/base/bytes.hpp"
#include "storage/base/random.hpp"

namespace millrace::broker::peers {
namespace {

constexpr std::size_t value_bytes = 20'000;
const Codecs all_codecs = {wire::Codec::lz4, wire::Codec::zstd};

std::vector<std::byte> text_of(std::size_t bytes) {
    std::vector<std::byte> text(bytes);
    for (std::size_t i = 0; i < bytes; ++i) {
        text[i] = static_cast<std::byte>('a' + i % 7);
    }
    return text;
}

std::vector<std::byte> noise_of(std::size_t bytes) {
    Random random(1);
    std::vector<std::byte> noise(bytes);
    for (auto& byte : noise) {
        byte = static_cast<std::byte>(random.below(256));
    }
    return noise;
}

/// What a frame holds, and whether it was compressed.
struct Sent {
    PeerApi api{};
    std::uint32_t correlation = 0;
    std::vector<std::byte> bytes;
    bool is_compressed = false;
};

Sent as_sent(std::span<const std::byte> frame) {
    Sent sent;
    wire::FrameReader reader;
    EXPECT_TRUE(reader.feed(frame, [&sent](const wire::FrameView& view) {
        sent.api = static_cast<PeerApi>(view.header.api);
        sent.correlation = view.header.correlation;
        sent.bytes.assign(view.raw.begin(), view.raw.end());
        return true;
    }));
    return sent;
}

Sent read_frame(std::span<const std::byte> frame) {
    auto sent = as_sent(frame);
    if (sent.api == PeerApi::compressed) {
        auto plain = parse_compressed(sent.bytes);
        EXPECT_TRUE(plain) << plain.error().text;
        sent.api = plain.value().api;
        sent.bytes = std::move(plain.value().bytes);
        sent.is_compressed = true;
    }
    return sent;
}

class FrameCompression : public testing::Test {
  protected:
    FrameCompressor compressor(wire::Codec codec, const Codecs& read_by_other = all_codecs) {
        compression_.codec = codec;
        return {compression_, read_by_other};
    }

    MetricsRegistry metrics_;
    Compression compression_{wire::Codec::none, metrics_, ShardId{0}};
};

TEST_F(FrameCompression, WhatBecomesSmallerIsReadAsItWas) {
    const auto bytes = text_of(value_bytes);
    for (const auto codec : all_codecs) {
        SCOPED_TRACE(wire::name_of(codec));
        const auto frame = compressor(codec).format(PeerApi::message, 42, bytes);
        EXPECT_LT(frame.size(), value_bytes / 10);
        const auto sent = read_frame(frame);
        EXPECT_TRUE(sent.is_compressed);
        EXPECT_EQ(sent.api, PeerApi::message);
        EXPECT_EQ(sent.correlation, 42U);
        EXPECT_EQ(sent.bytes, bytes);
    }
    EXPECT_EQ(compression_.bytes_before.value(), 2 * value_bytes);
    EXPECT_LT(compression_.bytes_after.value(), value_bytes / 10);
}

TEST_F(FrameCompression, NodeThatDoesNotReadTheCodecGetsPlainFrames) {
    const auto bytes = text_of(value_bytes);
    for (const auto& read : {Codecs{}, Codecs{wire::Codec::lz4}}) {
        const auto frame = compressor(wire::Codec::zstd, read).format(PeerApi::read, 1, bytes);
        EXPECT_FALSE(read_frame(frame).is_compressed);
    }
    EXPECT_EQ(compression_.bytes_before.value(), 0U);
}

TEST_F(FrameCompression, NothingIsCompressedWithoutACodec) {
    const auto frame = compressor(wire::Codec::none).format(PeerApi::read, 1, text_of(value_bytes));
    EXPECT_FALSE(read_frame(frame).is_compressed);
}

TEST_F(FrameCompression, FramesFromTheSmallestOnAreCompressed) {
    auto made = compressor(wire::Codec::lz4);
    const auto below = made.format(PeerApi::message, 1, text_of(compressed_bytes_min - 1));
    EXPECT_FALSE(read_frame(below).is_compressed);
    const auto from = made.format(PeerApi::message, 1, text_of(compressed_bytes_min));
    EXPECT_TRUE(read_frame(from).is_compressed);
}

TEST_F(FrameCompression, WhatDoesNotBecomeSmallerIsTriedLessAndLess) {
    auto made = compressor(wire::Codec::lz4);
    const auto noise = noise_of(value_bytes);
    const auto text = text_of(value_bytes);
    for (std::uint32_t skips = 1; skips <= FrameCompressor::skips_max; skips *= 2) {
        SCOPED_TRACE(skips);
        const auto tried = read_frame(made.format(PeerApi::message, 1, noise));
        EXPECT_FALSE(tried.is_compressed);
        EXPECT_EQ(std::vector(tried.bytes.begin(), tried.bytes.begin() + value_bytes), noise);
        for (std::uint32_t i = 0; i < skips; ++i) {
            EXPECT_FALSE(read_frame(made.format(PeerApi::message, 1, text)).is_compressed);
        }
    }
    EXPECT_TRUE(read_frame(made.format(PeerApi::message, 1, text)).is_compressed)
        << "not more than skips_max";
    EXPECT_FALSE(read_frame(made.format(PeerApi::message, 1, noise)).is_compressed);
    EXPECT_FALSE(read_frame(made.format(PeerApi::message, 1, text)).is_compressed);
    EXPECT_TRUE(read_frame(made.format(PeerApi::message, 1, text)).is_compressed)
        << "one that did begins anew";
}

class CompressedFrame : public FrameCompression {
  protected:
    std::optional<Errc> refusal() {
        const auto plain = parse_compressed(bytes_);
        return plain ? std::nullopt : std::optional(plain.error().code);
    }

    std::vector<std::byte> bytes_ =
        as_sent(compressor(wire::Codec::lz4).format(PeerApi::entry, 1, text_of(value_bytes))).bytes;
};

TEST_F(CompressedFrame, CutShortIsMalformed) {
    ASSERT_EQ(refusal(), std::nullopt);
    for (const std::size_t left : {bytes_.size() - 16, std::size_t{16}, std::size_t{5}}) {
        bytes_.resize(left);
        EXPECT_EQ(refusal(), Errc::malformed) << left;
    }
}

TEST_F(CompressedFrame, OtherBytesThanItSaysAreRefused) {
    constexpr std::size_t plain_bytes_at = 8;
    const auto says = [this](std::uint32_t bytes) {
        store_le(std::span(bytes_).subspan(plain_bytes_at), bytes);
        return refusal();
    };
    EXPECT_EQ(says(value_bytes + 1), Errc::malformed);
    EXPECT_EQ(says(value_bytes - 1), Errc::record_too_large);
    EXPECT_EQ(says(peer_frame_bytes_max), Errc::malformed);
    EXPECT_EQ(says(peer_frame_bytes_max + 1), Errc::frame_too_large);
    EXPECT_EQ(says(value_bytes), std::nullopt);
}

TEST_F(CompressedFrame, CodecThatNobodyReadsIsRefused) {
    bytes_[2] = static_cast<std::byte>(wire::Codec::gzip);
    EXPECT_EQ(refusal(), Errc::unsupported_version);
}

TEST_F(CompressedFrame, HoldsNoCompressedFrame) {
    store_le(std::span(bytes_), static_cast<std::uint16_t>(PeerApi::compressed));
    EXPECT_EQ(refusal(), Errc::malformed);
}

}  // namespace
}  // namespace millrace::broker::peers
