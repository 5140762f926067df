#include "broker/peers/peer_wire.hpp"

#include <string>

#include <gtest/gtest.h>

namespace millrace::broker::peers {
namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
    return std::as_bytes(std::span(text));
}

TEST(PeerWire, HelloTellsWhereItsNodeIsReached) {
    const auto frame = format_hello({.node = NodeId{2},
                                     .shard = 1,
                                     .shard_count = 4,
                                     .native = "a:7117",
                                     .http = "a:7118",
                                     .labels = {{"rack", "a"}, {"plant", "1"}}});
    wire::FrameReader reader;
    int seen = 0;
    ASSERT_TRUE(reader.feed(frame, [&seen](const wire::FrameView& view) {
        const auto hello = parse_hello(view.raw).value();
        EXPECT_EQ(hello.node, NodeId{2});
        EXPECT_EQ(hello.native, "a:7117");
        EXPECT_EQ(hello.http, "a:7118");
        EXPECT_EQ(hello.labels, (NodeLabels{{"rack", "a"}, {"plant", "1"}}));
        EXPECT_EQ(hello.codecs, (Codecs{wire::Codec::lz4, wire::Codec::zstd}));
        ++seen;
        return true;
    }));
    EXPECT_EQ(seen, 1);
}

TEST(PeerWire, HelloOfANodeThatDoesNotTellItsHttpIsGood) {
    const auto hello = parse_hello(bytes_of(
        R"({"version": 1, "node": 2, "shard": 0, "shard_count": 1, "cluster_id": "",
            "founders": [1, 2], "is_new": true, "is_copying": false, "native": "a:7117"})"));
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello.value().native, "a:7117");
    EXPECT_EQ(hello.value().http, "");
    EXPECT_EQ(hello.value().process, 0U) << "it did not tell";
    EXPECT_TRUE(hello.value().labels.empty());
    EXPECT_TRUE(hello.value().codecs.empty());
}

TEST(PeerWire, CodecsThatThisVersionDoesNotReadAreLeftOut) {
    const auto codecs_of = [](const std::string& json) {
        return parse_hello(
                   bytes_of(
                       R"({"version": 1, "node": 2, "shard": 0, "shard_count": 1, "cluster_id": "",
                           "founders": [], "is_new": true, "is_copying": false, "native": "",
                           "codecs": )" +
                       json + "}"))
            .value()
            .codecs;
    };
    EXPECT_EQ(codecs_of(R"(["lz4", "zstd"])"), (Codecs{wire::Codec::lz4, wire::Codec::zstd}));
    EXPECT_EQ(codecs_of(R"(["brotli", 3, "zstd"])"), (Codecs{wire::Codec::zstd}));
    EXPECT_EQ(codecs_of(R"("lz4")"), Codecs{});
}

TEST(PeerWire, LabelsThatThisVersionDoesNotTakeAreLeftOut) {
    const auto hello = parse_hello(bytes_of(
        R"({"version": 1, "node": 2, "shard": 0, "shard_count": 1, "cluster_id": "",
            "founders": [1, 2], "is_new": true, "is_copying": false, "native": "a:7117",
            "labels": {"rack": "a", "a b": "c", "plant": "", "row": 7}})"));
    ASSERT_TRUE(hello);
    EXPECT_EQ(hello.value().labels, (NodeLabels{{"rack", "a"}}));
}

TEST(PeerWire, HelloTellsWhichProcessItComesFrom) {
    EXPECT_NE(own_process(), 0U);
    const auto frame = format_hello({.node = NodeId{2}, .native = {}, .http = {}});
    wire::FrameReader reader;
    std::uint64_t process = 0;
    ASSERT_TRUE(reader.feed(frame, [&process](const wire::FrameView& view) {
        process = parse_hello(view.raw).value().process;
        return true;
    }));
    EXPECT_EQ(process, own_process());
}

TEST(PeerWire, HelloWithoutANodeIsMalformed) {
    EXPECT_EQ(parse_hello(bytes_of(R"({"version":1})")).error().code, Errc::malformed);
}

}  // namespace
}  // namespace millrace::broker::peers
