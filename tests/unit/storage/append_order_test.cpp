#include "storage/format/append_order.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

using ::testing::Gt;
using ::testing::IsEmpty;

std::vector<OrderedBatch> many(std::uint32_t count) {
    std::vector<OrderedBatch> batches;
    for (std::uint32_t i = 0; i < count; ++i) {
        batches.push_back({.appended_at = 4'096 + i * 1'000ULL,
                           .position = 4'160 + (count - i) * 800ULL,
                           .partition = PartitionId{i % 7},
                           .base_offset = Offset{i * 100'000ULL},
                           .record_count = 1 + i,
                           .run_bytes = 800 + 8 * (i % 9)});
    }
    return batches;
}

TEST(AppendOrder, ComesBackFromPayloadsOfABoundedSize) {
    const auto batches = many(1'000);
    std::vector<OrderedBatch> read;
    std::size_t payloads = 0;
    for (std::span<const OrderedBatch> rest(batches); !rest.empty(); ++payloads) {
        const auto payload = format_append_order(rest, 500);
        EXPECT_LE(payload.size(), 600U);
        ASSERT_TRUE(parse_append_order(std::as_bytes(std::span(payload)), read));
    }
    EXPECT_EQ(read, batches);
    EXPECT_THAT(payloads, Gt(10U));
}

TEST(AppendOrder, TakesAFewBytesABatch) {
    const auto batches = many(1'000);
    std::span<const OrderedBatch> rest(batches);
    EXPECT_LE(format_append_order(rest, SIZE_MAX).size(), 16'000U);
}

TEST(AppendOrder, WhatIsCutOrOutOfRangeIsCorrupt) {
    const auto batches = many(3);
    std::span<const OrderedBatch> rest(batches);
    const auto payload = format_append_order(rest, 1'000);
    const auto refuses = [](const std::string& text) {
        std::vector<OrderedBatch> read;
        const auto parsed = parse_append_order(std::as_bytes(std::span(text)), read);
        return !parsed && parsed.error().code == Errc::corrupt;
    };
    EXPECT_FALSE(refuses(payload));
    EXPECT_TRUE(refuses(payload.substr(0, payload.size() - 1)));
    EXPECT_TRUE(refuses(std::string(10, '\xff')));
    EXPECT_TRUE(refuses(std::string("\x01\x01\x64\x01\x01\x00", 6))) << "no records";
    EXPECT_TRUE(refuses(std::string("\x01\x01\x03\x01\x01\x01", 6))) << "shorter than a header";
    std::vector<OrderedBatch> none;
    EXPECT_TRUE(parse_append_order({}, none));
    EXPECT_THAT(none, IsEmpty());
}

}  // namespace
}  // namespace millrace::storage
