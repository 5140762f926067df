#include "storage/copy/shard_copy.hpp"

#include <algorithm>
#include <atomic>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage/copy/copy_fixture.hpp"

#include "storage/copy/copy_install.hpp"
#include "storage/format/layout.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage::testing {
namespace {

using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr PartitionId dropped_partition{9};

/// A byte of the third segment that comes otherwise than it was sent.
struct Flip {
    std::uint64_t position;  ///< of the read
    std::size_t byte;

    void operator()(const SegmentRead& read, std::span<std::byte> bytes) const {
        if (read.segment == SegmentSequence{3} && read.position == Position{position}) {
            bytes[byte] ^= std::byte{4};
        }
    }
};

class ShardCopyTest : public ::testing::Test {
  protected:
    Result<void> copy() { return copy_from(leader.source, replica.disk); }
    Errc code_of_copy() {
        const auto copied = copy();
        return copied ? Errc::ok : copied.error().code;
    }
    /// Reads that a copy takes of which nothing is there.
    std::size_t reads_of_whole_copy() {
        SimDisk disk(5);
        const auto before = leader.source.reads;
        EXPECT_TRUE(copy_from(leader.source, disk));
        return leader.source.reads - before;
    }
    void install_and_open() {
        ASSERT_TRUE(install_copy(replica.disk, copy_directory));
        ASSERT_TRUE(replica.open());
    }

    CopyLeader leader;
    StoreFixture replica{2};
};

TEST_F(ShardCopyTest, OpenedCopyHasTheSameBatchesBoundsAndState) {
    leader.publish(200);
    leader.cluster();
    ASSERT_THAT(leader.fixture.rewritten_segments(), Gt(6U));
    leader.publish(10);
    ASSERT_TRUE(copy());
    EXPECT_EQ(leader.source.lists, 1U);
    leader.expect_copied(replica.disk);
    install_and_open();
    leader.expect_same(replica);
    EXPECT_EQ(replica.scan_all(0).values, leader.published);
    const auto before = replica.read_all(PartitionId{0}).values.size();
    ASSERT_TRUE(replica.publish(PartitionId{0}, "goes on"));
    replica.run();
    EXPECT_EQ(replica.read_all(PartitionId{0}).values.size(), before + 1);
}

TEST_F(ShardCopyTest, CopyOfACopyIsOneToo) {
    leader.publish(40);
    ASSERT_TRUE(copy());
    install_and_open();
    StoreSource source(replica);
    StoreFixture third(3);
    ASSERT_TRUE(copy_from(source, third.disk));
    ASSERT_TRUE(install_copy(third.disk, copy_directory));
    ASSERT_TRUE(third.open());
    leader.expect_same(third);
}

TEST_F(ShardCopyTest, SegmentsRewrittenMeanwhileAreCopiedAnew) {
    leader.publish(100);
    leader.source.before_read = [this](std::size_t number) {
        if (number == 20) {
            leader.cluster();
        }
    };
    ASSERT_TRUE(copy());
    ASSERT_THAT(leader.fixture.rewritten_segments(), Gt(3U));
    EXPECT_EQ(leader.source.lists, 2U);
    leader.expect_copied(replica.disk);
    install_and_open();
    leader.expect_same(replica);
    EXPECT_EQ(replica.scan_all(0).values, leader.published);
}

TEST_F(ShardCopyTest, SegmentsRecycledMeanwhileAreLeftOut) {
    for (int i = 0; i < 60; ++i) {
        ASSERT_TRUE(leader.fixture.publish(dropped_partition, std::string(3'000, 'd')));
        leader.fixture.run();
    }
    leader.publish(40);
    ASSERT_EQ(leader.fixture.store->list_segments().front().segment, SegmentSequence{1});
    leader.source.before_read = [this](std::size_t number) {
        if (number == 10) {
            ASSERT_TRUE(leader.fixture.store->drop_partition(dropped_partition));
            leader.fixture.run_turns(20);
        }
    };
    ASSERT_TRUE(copy());
    EXPECT_EQ(leader.source.lists, 2U);
    EXPECT_GT(leader.source.listed.front().segment, SegmentSequence{3});
    leader.expect_copied(replica.disk);
    install_and_open();
    leader.expect_same(replica);
}

TEST_F(ShardCopyTest, CopyGoesOnWhereTheConnectionBroke) {
    leader.publish(60);
    leader.source.connection_ends_at = 17;
    EXPECT_EQ(code_of_copy(), Errc::connection_lost);
    leader.source.connection_ends_at = SIZE_MAX;
    const auto before = leader.source.reads;
    ASSERT_TRUE(copy());
    const auto resumed = leader.source.reads - before;
    EXPECT_LE(resumed + 14, reads_of_whole_copy());
    leader.expect_copied(replica.disk);
    install_and_open();
    leader.expect_same(replica);
}

TEST_F(ShardCopyTest, SecondCopyPullsOnlyWhatIsNew) {
    leader.publish(60);
    ASSERT_TRUE(copy());
    leader.publish(3);
    const auto before = leader.source.reads;
    ASSERT_TRUE(copy());
    EXPECT_LE(leader.source.reads - before, 7U);
    leader.expect_copied(replica.disk);
    install_and_open();
    leader.expect_same(replica);
}

TEST_F(ShardCopyTest, FilesThatAreNotOfTheListAreRemoved) {
    leader.publish(20);
    const std::string log = std::string(copy_directory) + ".incoming/log/";
    for (const auto* const name : {"0000000000000001.seg", "0000000000000077.seg", "notes.txt"}) {
        ASSERT_TRUE(replica.disk.open(log + name, OpenMode::create));
    }
    ASSERT_TRUE(copy());
    leader.expect_copied(replica.disk);
}

TEST_F(ShardCopyTest, WhatLiesBehindTheEndIsCleared) {
    leader.publish(20);
    ASSERT_TRUE(copy());
    // As of an earlier leader, which had got further.
    const auto last = leader.source.listed.back();
    const auto path = replica.disk.paths().back();
    {
        const auto file = replica.disk.open(path, OpenMode::direct_write).value();
        const std::vector<std::byte> rest(disk_alignment, std::byte{7});
        ASSERT_TRUE(file->write_now(Position{last.used_bytes}, rest));
    }
    ASSERT_TRUE(copy());
    const auto bytes = replica.disk.contents(path);
    EXPECT_TRUE(std::ranges::all_of(std::span(bytes).subspan(last.used_bytes),
                                    [](std::byte byte) { return byte == std::byte{0}; }));
    leader.expect_copied(replica.disk);
}

TEST_F(ShardCopyTest, ByteThatWasFlippedInTransitIsRefused) {
    leader.publish(30);
    for (const auto flip : {Flip{0, 20}, Flip{disk_alignment, 30}, Flip{disk_alignment, 200}}) {
        SCOPED_TRACE("byte " + std::to_string(flip.position + flip.byte));
        StoreFixture other(4);
        leader.source.in_transit = flip;
        const auto copied = copy_from(leader.source, other.disk);
        ASSERT_FALSE(copied);
        EXPECT_EQ(copied.error().code, Errc::corrupt);
        EXPECT_THAT(copied.error().text, HasSubstr("segment 3"));
        leader.source.in_transit = nullptr;
        ASSERT_TRUE(copy_from(leader.source, other.disk));
        leader.expect_copied(other.disk);
    }
}

TEST_F(ShardCopyTest, WhatDoesNotVerifyIsLookedAtWhereItComesFrom) {
    leader.publish(30);
    leader.source.in_transit = [](const SegmentRead& read, std::span<std::byte> bytes) {
        if (read.segment == SegmentSequence{3}) {
            bytes[200] ^= std::byte{4};
        }
    };
    EXPECT_EQ(code_of_copy(), Errc::corrupt);
    leader.fixture.store->tick();
    EXPECT_THAT(leader.fixture.damages, IsEmpty()) << "it was well there";
    leader.source.in_transit = nullptr;

    const auto extents = leader.fixture.store->list_segments();
    for (const auto& extent : {extents.at(2), extents.back()}) {
        leader.fixture.damages.clear();
        const auto path = leader.fixture.options.directory + "/log/" +
                          format_segment_name({.sequence = extent.segment});
        leader.fixture.disk.flip_bit(path, Position{disk_alignment + 200}, 2);
        EXPECT_EQ(code_of_copy(), Errc::corrupt);
        leader.fixture.store->tick();
        EXPECT_THAT(leader.fixture.damages, SizeIs(1)) << path;
        leader.fixture.disk.flip_bit(path, Position{disk_alignment + 200}, 2);
    }
    EXPECT_TRUE(copy());
}

TEST_F(ShardCopyTest, AnswerOfAnotherLengthIsRefused) {
    leader.publish(5);
    class Short final : public SegmentSource {
      public:
        explicit Short(SegmentSource& whole) : whole_(whole) {}
        Result<std::vector<SegmentExtent>> list() override { return whole_.list(); }
        Result<std::vector<std::byte>> read(const SegmentRead& request) override {
            MILLRACE_TRY(auto bytes, whole_.read(request));
            bytes.pop_back();
            return bytes;
        }

      private:
        SegmentSource& whole_;
    };
    Short source(leader.source);
    const auto copied = copy_from(source, replica.disk);
    ASSERT_FALSE(copied);
    EXPECT_EQ(copied.error().code, Errc::malformed);
}

TEST_F(ShardCopyTest, ListsThatMakeNoSenseAreRefused) {
    class Fixed final : public SegmentSource {
      public:
        explicit Fixed(std::vector<SegmentExtent> extents) : extents_(std::move(extents)) {}
        Result<std::vector<SegmentExtent>> list() override { return extents_; }
        Result<std::vector<std::byte>> read(const SegmentRead& /*request*/) override {
            return fail(Errc::not_found, "gone");
        }

      private:
        std::vector<SegmentExtent> extents_;
    };
    const auto code_of = [this](std::vector<SegmentExtent> extents) {
        Fixed source(std::move(extents));
        const auto copied = copy_from(source, replica.disk);
        return copied ? Errc::ok : copied.error().code;
    };
    const auto extent = [](std::uint64_t segment, std::uint64_t used, std::uint64_t file) {
        return SegmentExtent{.segment = SegmentSequence{segment},
                             .hash_seed = 1,
                             .used_bytes = used,
                             .file_bytes = file};
    };
    EXPECT_EQ(code_of({}), Errc::unavailable);
    EXPECT_EQ(code_of({extent(1, 4'096, 65'536)}), Errc::malformed);
    EXPECT_EQ(code_of({extent(1, 8'200, 65'536)}), Errc::malformed);
    EXPECT_EQ(code_of({extent(1, 8'192, 65'000)}), Errc::malformed);
    EXPECT_EQ(code_of({extent(1, 8'192, 4'096)}), Errc::malformed);
    EXPECT_EQ(code_of({extent(2, 8'192, 65'536), extent(1, 8'192, 65'536)}), Errc::malformed);
    EXPECT_EQ(code_of({extent(1, 8'192, 65'536)}), Errc::not_found) << "listed and never there";
}

TEST_F(ShardCopyTest, FullDiskIsSaidBeforeItIsFull) {
    leader.publish(30);
    replica.disk.set_capacity(100'000);
    EXPECT_EQ(code_of_copy(), Errc::out_of_space);
    EXPECT_EQ(leader.source.reads, 0U);
}

TEST_F(ShardCopyTest, StopsWhenAskedTo) {
    leader.publish(10);
    const std::atomic<bool> is_stopping{true};
    const auto copied = copy_shard(
        replica.disk, leader.source, {.directory = copy_directory, .is_stopping = is_stopping});
    ASSERT_FALSE(copied);
    EXPECT_EQ(copied.error().code, Errc::shutting_down);
}

TEST_F(ShardCopyTest, ProgressReachesTheEnd) {
    leader.publish(30);
    const std::atomic<bool> is_stopping{false};
    CopyProgress last;
    const auto copied = copy_shard(replica.disk,
                                   leader.source,
                                   {.directory = copy_directory,
                                    .read_bytes_max = 16_KiB,
                                    .on_progress =
                                        [&last](const CopyProgress& progress) {
                                            EXPECT_GE(progress.bytes_done, last.bytes_done);
                                            EXPECT_LE(progress.bytes_done, progress.bytes);
                                            last = progress;
                                        },
                                    .is_stopping = is_stopping});
    ASSERT_TRUE(copied);
    EXPECT_EQ(last.segments, leader.source.listed.size());
    EXPECT_EQ(last.segments_done, last.segments);
    EXPECT_GT(last.bytes, 0U);
    EXPECT_EQ(last.bytes_done, last.bytes);
}

}  // namespace
}  // namespace millrace::storage::testing
