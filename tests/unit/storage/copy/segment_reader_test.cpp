#include "storage/copy/segment_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.hpp"

namespace millrace::storage::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class SegmentReaderTest : public ::testing::Test {
  protected:
    SegmentReaderTest() { EXPECT_TRUE(fixture.open()); }

    /// A commit of one block, or a part of one where the disk has not come to the one before.
    void publish() {
        ASSERT_TRUE(fixture.publish(PartitionId{7}, std::string(3'000, 'x')));
        fixture.store->submit();
    }
    void publish_durably(int count) {
        for (int i = 0; i < count; ++i) {
            publish();
            fixture.run();
        }
    }
    [[nodiscard]] std::vector<SegmentExtent> list() const { return fixture.store->list_segments(); }
    Result<std::vector<std::byte>> read(const SegmentRead& request) {
        std::optional<Result<std::vector<std::byte>>> answer;
        fixture.store->read_segment(request, [&answer](Result<std::vector<std::byte>> bytes) {
            answer = std::move(bytes);
        });
        fixture.disk.drain();
        if (!answer) {
            return fail(Errc::internal, "no answer");
        }
        return std::move(*answer);
    }
    Errc error_of(const SegmentRead& request) {
        const auto answer = read(request);
        return answer ? Errc::ok : answer.error().code;
    }

    StoreFixture fixture;
};

TEST_F(SegmentReaderTest, NothingOfACommitInFlightIsListed) {
    EXPECT_THAT(list(), IsEmpty());
    publish();
    EXPECT_THAT(list(), IsEmpty());
    fixture.disk.drain();
    const auto first = list();
    ASSERT_THAT(first, SizeIs(1));
    EXPECT_EQ(first[0].segment, SegmentSequence{1});
    EXPECT_EQ(first[0].used_bytes, 2 * disk_alignment);
    EXPECT_EQ(first[0].file_bytes, fixture.options.first_segment_bytes);
    publish();
    publish();
    EXPECT_EQ(list(), first);
    fixture.run();
    EXPECT_EQ(list()[0].used_bytes, 4 * disk_alignment);
}

TEST_F(SegmentReaderTest, SegmentsThatWaitForTheDiskAreNotListed) {
    for (int i = 0; i < 60; ++i) {
        publish();
    }
    EXPECT_THAT(list(), IsEmpty());
    fixture.run();
    ASSERT_THAT(list(), SizeIs(::testing::Gt(2U)));
    for (const auto& extent : list()) {
        EXPECT_EQ(extent.used_bytes % disk_alignment, 0U);
        EXPECT_LE(extent.used_bytes, extent.file_bytes);
    }
}

TEST_F(SegmentReaderTest, WhatAFailedWriteLeftIsNotListed) {
    publish_durably(3);
    const auto before = list();
    fixture.disk.fail_call(0, EIO, SimDisk::Failure::for_good);
    publish();
    fixture.disk.drain();
    ASSERT_TRUE(fixture.failure.has_value());
    EXPECT_EQ(list(), before);
}

TEST_F(SegmentReaderTest, SegmentsOfEarlierLivesAreListedAsTheyEnded) {
    publish_durably(20);
    const auto before = list();
    ASSERT_THAT(before, SizeIs(2));
    fixture.close();
    ASSERT_TRUE(fixture.open());
    EXPECT_EQ(list(), before);
    publish_durably(1);
    ASSERT_THAT(list(), SizeIs(3));
    auto ended = before[1];
    ended.file_bytes = ended.used_bytes;  // what it had not written to is given back
    EXPECT_EQ(list()[1], ended);
}

TEST_F(SegmentReaderTest, BytesAreThoseOfTheFile) {
    publish_durably(20);
    const auto extent = list()[0];
    const auto file = fixture.disk.contents("/data/shard-00/log/0000000000000001.seg");
    const auto whole = read({.segment = extent.segment,
                             .hash_seed = extent.hash_seed,
                             .position = Position{0},
                             .bytes = extent.used_bytes});
    ASSERT_TRUE(whole) << whole.error().text;
    ASSERT_EQ(whole.value().size(), extent.used_bytes);
    EXPECT_TRUE(std::ranges::equal(whole.value(), std::span(file).first(extent.used_bytes)));
    const auto part = read({.segment = extent.segment,
                            .hash_seed = extent.hash_seed,
                            .position = Position{disk_alignment},
                            .bytes = disk_alignment});
    ASSERT_TRUE(part) << part.error().text;
    EXPECT_TRUE(
        std::ranges::equal(part.value(), std::span(file).subspan(disk_alignment, disk_alignment)));
}

TEST_F(SegmentReaderTest, AnotherFileThanWasListedIsNotFound) {
    publish_durably(2);
    const auto extent = list()[0];
    EXPECT_EQ(error_of({.segment = extent.segment,
                        .hash_seed = extent.hash_seed + 1,
                        .position = Position{0},
                        .bytes = disk_alignment}),
              Errc::not_found);
    EXPECT_EQ(error_of({.segment = SegmentSequence{99},
                        .hash_seed = extent.hash_seed,
                        .position = Position{0},
                        .bytes = disk_alignment}),
              Errc::not_found);
}

TEST_F(SegmentReaderTest, BytesThatAreNotUsedOrNoBlocksAreRefused) {
    publish_durably(2);
    const auto extent = list()[0];
    const auto code_of = [&](std::uint64_t position, std::size_t bytes) {
        return error_of({.segment = extent.segment,
                         .hash_seed = extent.hash_seed,
                         .position = Position{position},
                         .bytes = bytes});
    };
    EXPECT_EQ(code_of(0, extent.used_bytes), Errc::ok);
    EXPECT_EQ(code_of(0, extent.used_bytes + disk_alignment), Errc::invalid_argument);
    EXPECT_EQ(code_of(extent.used_bytes, disk_alignment), Errc::invalid_argument);
    EXPECT_EQ(code_of(UINT64_MAX - disk_alignment + 1, disk_alignment), Errc::invalid_argument);
    EXPECT_EQ(code_of(0, 0), Errc::invalid_argument);
    EXPECT_EQ(code_of(0, 100), Errc::invalid_argument);
    EXPECT_EQ(code_of(512, disk_alignment), Errc::invalid_argument);
    EXPECT_EQ(code_of(0, segment_read_bytes_max + disk_alignment), Errc::invalid_argument);
}

}  // namespace
}  // namespace millrace::storage::testing
