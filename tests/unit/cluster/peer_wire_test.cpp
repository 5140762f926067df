#include "broker/peers/peer_wire.hpp"

#include <string_view>

#include <gtest/gtest.h>

namespace millrace::broker::peers {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text));
}

TEST(PeerWire, ListingIsReadAsItWasWritten) {
    const auto listing = parse_listing(bytes_of(R"({"terms": [[1, 18446744073709551615]],
                                                    "segments": [[3, 5, 4096, 8192]]})"));
    ASSERT_TRUE(listing);
    EXPECT_EQ(listing.value().terms.at(1), 18446744073709551615ULL);
    ASSERT_EQ(listing.value().segments.size(), 1U);
    EXPECT_EQ(listing.value().segments.front().segment, SegmentSequence{3});
    EXPECT_EQ(listing.value().segments.front().file_bytes, 8192U);
}

TEST(PeerWire, EntryRequestWithoutATermIsMalformed) {
    constexpr std::string_view whole = R"({"group":1,"index":42,"term":3})";
    const auto request = parse_entry_request(bytes_of(whole));
    ASSERT_TRUE(request);
    EXPECT_EQ(
        request.value(),
        (storage::EntryRequest{.group = GroupId{1}, .index = RaftIndex{42}, .term = RaftTerm{3}}));
    constexpr std::string_view part = R"({"group":1,"index":42})";
    EXPECT_FALSE(parse_entry_request(bytes_of(part)));
}

TEST(PeerWire, NumberThatDoesNotFitIsMalformed) {
    for (const char* const term : {"[1, 1e300]", "[1, 2.5]", "[1, -1]", "[4294967296, 1]"}) {
        SCOPED_TRACE(term);
        const auto text = R"({"terms": [)" + std::string(term) + R"(], "segments": []})";
        const auto listing = parse_listing(bytes_of(text));
        ASSERT_FALSE(listing);
        EXPECT_EQ(listing.error().code, Errc::malformed);
    }
}

TEST(PeerWire, FoundersThatAreNoListOfNodesAreMalformed) {
    for (const char* const founders : {"5", "[1, 1e300]", R"([1, "2"])", R"({"1": 2})"}) {
        SCOPED_TRACE(founders);
        const auto text =
            R"({"version": 1, "node": 1, "shard": 0, "shard_count": 1, "cluster_id": "",
                "is_new": true, "is_copying": false, "native": "", "founders": )" +
            std::string(founders) + "}";
        const auto hello = parse_hello(bytes_of(text));
        ASSERT_FALSE(hello);
        EXPECT_EQ(hello.error().code, Errc::malformed);
    }
}

}  // namespace
}  // namespace millrace::broker::peers
