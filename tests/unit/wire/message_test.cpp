#include "client/wire/message.hpp"

#include <gtest/gtest.h>

#include "client/wire/schema/records_generated.h"
#include "client/wire/schema/session_generated.h"
#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::wire {
namespace {

/// A table whose `field` is a vector of two that lies `distance` words further from the table than
/// it has to, with enough bytes behind it for elements of any kind.
std::vector<std::byte> table_with_vector(flatbuffers::voffset_t field, std::size_t distance) {
    flatbuffers::FlatBufferBuilder builder;
    (void)builder.CreateString(std::string(256, ' '));
    const auto vector = builder.CreateVector(std::vector<std::uint32_t>(2, 0));
    (void)builder.CreateString(std::string(sizeof(std::uint32_t) * distance, ' '));
    const auto begin = builder.StartTable();
    builder.AddOffset(field, vector);
    builder.Finish(flatbuffers::Offset<flatbuffers::Table>(builder.EndTable(begin)));
    const auto bytes = std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
    return {bytes.begin(), bytes.end()};
}

/// Whether the elements of the vector lie on a multiple of 8.
bool is_aligned(std::span<const std::byte> bytes, flatbuffers::voffset_t field) {
    const auto* const table = flatbuffers::GetRoot<flatbuffers::Table>(bytes.data());
    const auto* const vector = table->GetPointer<const std::uint8_t*>(field);
    return (reinterpret_cast<std::uintptr_t>(vector) + 4) % 8 == 0;
}

template <class Table>
void expect_only_aligned_ones_verify(flatbuffers::voffset_t field) {
    int aligned = 0;
    for (std::size_t distance = 0; distance < 4; ++distance) {
        const auto bytes = table_with_vector(field, distance);
        const bool expected = is_aligned(bytes, field);
        aligned += expected ? 1 : 0;
        EXPECT_EQ(parse_message<Table>(bytes).has_value(), expected) << distance;
    }
    EXPECT_EQ(aligned, 2);
}

TEST(WireMessage, VectorOfMisalignedNumbersIsRefused) {
    expect_only_aligned_ones_verify<SettleRequest>(SettleRequest::VT_ACKS);
    expect_only_aligned_ones_verify<LetterChangeRequest>(LetterChangeRequest::VT_IDS);
}

TEST(WireMessage, VectorOfMisalignedStructsIsRefused) {
    expect_only_aligned_ones_verify<FetchRequest>(FetchRequest::VT_PARTITIONS);
    expect_only_aligned_ones_verify<PublishAnswer>(PublishAnswer::VT_ACKS);
    expect_only_aligned_ones_verify<Deliveries>(Deliveries::VT_ENTRIES);
}

std::span<const std::byte> bytes_of(const flatbuffers::FlatBufferBuilder& builder) {
    return std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()));
}

TEST(WireMessage, VectorThatNamesOneStringOftenIsRefused) {
    flatbuffers::FlatBufferBuilder builder;
    const auto name = builder.CreateString(std::string(1000, 'x'));
    const std::vector<flatbuffers::Offset<flatbuffers::String>> names(1000, name);
    const auto topics = builder.CreateVector(names);
    builder.Finish(CreateMetadataRequest(builder, topics));
    EXPECT_FALSE(parse_message<MetadataRequest>(bytes_of(builder)).has_value());
}

TEST(WireMessage, VectorThatNamesOneTableOftenIsRefused) {
    flatbuffers::FlatBufferBuilder builder;
    const auto nack = CreateNackDirect(builder, 1, Cause::transient, 0, "broken");
    const std::vector<flatbuffers::Offset<Nack>> nacks(1000, nack);
    builder.Finish(CreateSettleRequestDirect(builder, 1, 0, nullptr, &nacks));
    EXPECT_FALSE(parse_message<SettleRequest>(bytes_of(builder)).has_value());
}

TEST(WireMessage, TablesThatNameOneStringAreRefused) {
    flatbuffers::FlatBufferBuilder builder;
    const auto text = builder.CreateString(std::string(100'000, 'x'));
    std::vector<flatbuffers::Offset<Nack>> nacks;
    for (std::uint64_t id = 0; id < 100; ++id) {
        nacks.push_back(CreateNack(builder, id, Cause::transient, 0, text));
    }
    builder.Finish(CreateSettleRequestDirect(builder, 1, 0, nullptr, &nacks));
    EXPECT_FALSE(parse_message<SettleRequest>(bytes_of(builder)).has_value());
}

TEST(WireMessage, ManySmallPartsOfTheirOwnAreTaken) {
    SettleRequestT settle;
    settle.acks.resize(1000);
    for (std::uint64_t id = 0; id < 1000; ++id) {
        settle.nacks.push_back(std::make_unique<NackT>());
    }
    flatbuffers::FlatBufferBuilder builder;
    builder.Finish(SettleRequest::Pack(builder, &settle));
    EXPECT_TRUE(parse_message<SettleRequest>(bytes_of(builder)).has_value());
    MetadataRequestT metadata;
    metadata.topics.resize(1000);
    builder.Clear();
    builder.Finish(MetadataRequest::Pack(builder, &metadata));
    EXPECT_TRUE(parse_message<MetadataRequest>(bytes_of(builder)).has_value());
}

TEST(WireMessage, MessageSurvivesBeingSent) {
    SettleRequestT settle;
    settle.session_id = 7;
    settle.acks = {1, 2, 3};
    const auto frame = format_message({.api = 47}, settle);
    FrameReader reader;
    const auto fed = reader.feed(frame, [](const FrameView& view) {
        const auto parsed = parse_message<SettleRequest>(view.table);
        EXPECT_TRUE(parsed.has_value());
        EXPECT_EQ(parsed.value().acks, (std::vector<std::uint64_t>{1, 2, 3}));
        return true;
    });
    EXPECT_TRUE(fed.has_value());
}

}  // namespace
}  // namespace millrace::wire
