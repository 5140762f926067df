#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/storage/store_fixture.hpp"

#include "storage/format/layout.hpp"

namespace millrace::storage::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr PartitionId seven{7};

/// Publishes `count` records of about 600 bytes in turns of four, over three partitions.
void fill(StoreFixture& fixture, int count) {
    for (int i = 0; i < count; ++i) {
        ASSERT_TRUE(fixture.publish(PartitionId{static_cast<std::uint32_t>(i % 3)},
                                    std::to_string(i) + std::string(600, '.')));
        if (i % 4 == 3) {
            fixture.run();
        }
    }
    fixture.run();
}

TEST(ShardStore, RecordsAreReadableOnceDurable) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    ASSERT_TRUE(fixture.publish(seven, "a"));
    EXPECT_EQ(fixture.store->bounds(seven).next, Offset{0});
    ASSERT_TRUE(fixture.publish(seven, "b"));
    fixture.run();
    EXPECT_THAT(fixture.acked[seven], ElementsAre("a", "b"));
    EXPECT_THAT(fixture.read_all(seven).values, ElementsAre("a", "b"));
}

TEST(ShardStore, FramesOfOneTurnShareOneCommit) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    const auto before = fixture.store->stats().commits;
    for (int i = 0; i < 10; ++i) {
        ASSERT_TRUE(fixture.publish(seven, std::to_string(i)));
    }
    fixture.run();
    EXPECT_EQ(fixture.store->stats().commits, before + 1);
}

TEST(ShardStore, SealedSegmentsAreReadThroughTheIndex) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    fill(fixture, 400);
    EXPECT_GT(fixture.store->stats().segments, 3U);
    for (std::uint32_t p = 0; p < 3; ++p) {
        EXPECT_EQ(fixture.read_all(PartitionId{p}).values, fixture.acked[PartitionId{p}]);
    }
}

TEST(ShardStore, EverythingIsThereAfterReopening) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    fill(fixture, 300);
    fixture.put("cursor", "17");
    fixture.run();
    fixture.close();
    // The in-memory index is gone with the store, so this recovers from the log alone.
    ASSERT_TRUE(fixture.open());
    for (std::uint32_t p = 0; p < 3; ++p) {
        EXPECT_EQ(fixture.read_all(PartitionId{p}).values, fixture.acked[PartitionId{p}]);
    }
    EXPECT_EQ(fixture.store->get_state("cursor").value(), "17");
    ASSERT_TRUE(fixture.publish(seven, "after"));
    fixture.run();
    EXPECT_THAT(fixture.read_all(seven).values, ElementsAre("after"));
}

TEST(ShardStore, OffsetAtFindsTheFirstBatchNotBeforeTheTime) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    fixture.clock.advance(std::chrono::seconds(1));
    const auto begin = fixture.clock.unix_now();
    fill(fixture, 300);  // one microsecond apart, three partitions in turns
    EXPECT_EQ(fixture.store->offset_at(PartitionId{0}, 0).value(), Offset{0});
    EXPECT_EQ(fixture.store->offset_at(PartitionId{0}, begin + 1).value(), Offset{0});
    EXPECT_EQ(fixture.store->offset_at(PartitionId{0}, begin + 2).value(), Offset{1});
    EXPECT_EQ(fixture.store->offset_at(PartitionId{0}, begin + 151).value(), Offset{50});
    EXPECT_EQ(fixture.store->offset_at(PartitionId{0}, begin + 1'000'000).value(), Offset{100});
}

TEST(ShardStore, ScanGivesAllPartitionsInAppendOrder) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    fill(fixture, 200);
    const auto scanned = fixture.scan_all(0).values;
    ASSERT_THAT(scanned, SizeIs(200));
    for (int i = 0; i < 200; ++i) {
        EXPECT_TRUE(scanned[static_cast<std::size_t>(i)].starts_with(std::to_string(i) + ".")) << i;
    }
}

TEST(ShardStore, FlippedBitInASealedSegmentCostsThatBatchAlone) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    fill(fixture, 400);
    const auto segment = fixture.disk.paths().front();
    fixture.disk.flip_bit(
        "/data/shard-00/log/0000000000000001.seg", Position{2 * disk_alignment + 700}, 3);
    std::size_t damaged = 0;
    std::size_t read = 0;
    for (std::uint32_t p = 0; p < 3; ++p) {
        const auto all = fixture.read_all(PartitionId{p});
        damaged += all.damaged.size();
        read += all.values.size();
    }
    EXPECT_EQ(damaged, 1U);
    EXPECT_EQ(read, 399U);
    // A start that reads the log again names it and serves the rest.
    fixture.close();
    ASSERT_TRUE(fixture.open());
    EXPECT_EQ(fixture.store->stats().frames_quarantined, 1U);
    read = 0;
    for (std::uint32_t p = 0; p < 3; ++p) {
        read += fixture.read_all(PartitionId{p}).values.size();
    }
    EXPECT_EQ(read, 399U);
}

/// A store whose index outlives it, as RocksDB's does, over the simulated disk.
class ScrubbedStore : public ::testing::Test {
  protected:
    ScrubbedStore() : index_(std::filesystem::temp_directory_path() / "millrace-scrub-XXXXXX") {
        auto pattern = index_.string();
        index_ = ::mkdtemp(pattern.data());
        fixture.options.directory = index_.string();
        fixture.options.index_in_memory = false;
        EXPECT_TRUE(fixture.open());
        fill(fixture, 400);
        EXPECT_TRUE(fixture.store->checkpoint());
    }
    ScrubbedStore(const ScrubbedStore&) = delete;
    ScrubbedStore& operator=(const ScrubbedStore&) = delete;
    ScrubbedStore(ScrubbedStore&&) = delete;
    ScrubbedStore& operator=(ScrubbedStore&&) = delete;
    ~ScrubbedStore() override {
        fixture.close();
        std::filesystem::remove_all(index_);
    }
    std::string segment(int number) const {
        return index_.string() + "/log/000000000000000" + std::to_string(number) + ".seg";
    }
    /// Starts again and lets the store look at all it has.
    std::uint64_t damage_after_restart() {
        fixture.close();
        EXPECT_TRUE(fixture.open());
        for (std::uint64_t i = 0; i < 2 * fixture.store->stats().segments; ++i) {
            fixture.clock.advance(std::chrono::seconds(10));
            fixture.store->tick();
        }
        return fixture.store->stats().frames_quarantined;
    }

    StoreFixture fixture;

  private:
    std::filesystem::path index_;
};

TEST_F(ScrubbedStore, FindsNothingInIntactSegments) {
    EXPECT_EQ(damage_after_restart(), 0U);
    EXPECT_GT(fixture.metrics
                  .counter("millrace_storage_segments_scrubbed_total",
                           "Sealed segments read through since the start.",
                           {{"shard", "0"}})
                  .value(),
              0U);
}

TEST_F(ScrubbedStore, FindsNothingInATailThatRecoveryCut) {
    const auto number = static_cast<int>(fixture.store->stats().segments);
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(fixture.publish(seven, std::to_string(i)));
        fixture.run();
    }
    // As a power loss leaves it that tears the first of two commits in flight.
    const auto content = fixture.disk.contents(segment(number));
    auto last = content.size() - disk_alignment;
    while (std::ranges::all_of(std::span(content).subspan(last, disk_alignment),
                               [](std::byte b) { return b == std::byte{0}; })) {
        last -= disk_alignment;
    }
    fixture.disk.flip_bit(segment(number), Position{last - disk_alignment + 100}, 1);
    fixture.close();
    ASSERT_TRUE(fixture.open());
    EXPECT_EQ(fixture.store->stats().torn_tails_cut, 1U);
    fill(fixture, 200);
    ASSERT_TRUE(fixture.store->checkpoint());
    EXPECT_EQ(damage_after_restart(), 0U);
}

TEST_F(ScrubbedStore, FindsAFlippedBitInTheMiddle) {
    fixture.disk.flip_bit(segment(1), Position{2 * disk_alignment + 700}, 3);
    EXPECT_EQ(damage_after_restart(), 1U);
    std::size_t read = 0;
    for (std::uint32_t p = 0; p < 3; ++p) {
        read += fixture.read_all(PartitionId{p}).values.size();
    }
    EXPECT_EQ(read, 399U);
}

TEST_F(ScrubbedStore, TellsOfWhatItFinds) {
    EXPECT_EQ(damage_after_restart(), 0U);
    EXPECT_THAT(fixture.damages, IsEmpty());
    fixture.disk.flip_bit(segment(1), Position{2 * disk_alignment + 700}, 3);
    EXPECT_EQ(damage_after_restart(), 1U);
    ASSERT_THAT(fixture.damages, SizeIs(1));
    EXPECT_THAT(fixture.damages.front().text, HasSubstr("segment 1"));
}

TEST(ShardStore, ReplicaLetsAnotherAnswerForWhatIsDamagedHere) {
    StoreFixture fixture;
    fixture.options.is_replicated = true;
    ASSERT_TRUE(fixture.open());
    for (int i = 0; i < 100; ++i) {
        ASSERT_TRUE(fixture.publish(seven, std::to_string(i) + std::string(3'000, 'x')));
        fixture.run();
    }
    fixture.disk.flip_bit(
        "/data/shard-00/log/0000000000000001.seg", Position{2 * disk_alignment + 700}, 3);
    const auto read = [&fixture](Offset from) {
        std::optional<Result<ReadResult>> answer;
        fixture.store->read({.partition = seven, .from = from, .bytes_max = 64_KiB},
                            [&answer](Result<ReadResult> result) { answer = std::move(result); });
        fixture.disk.drain();
        return std::move(*answer);
    };
    const auto before = read(Offset{0});
    ASSERT_TRUE(before);
    EXPECT_FALSE(before.value().damage) << "what is whole comes first";
    const auto damaged = before.value().next;
    EXPECT_LT(damaged, Offset{20});
    EXPECT_EQ(read(damaged).error().code, Errc::unavailable);
    fixture.store->tick();
    EXPECT_THAT(fixture.damages, SizeIs(1)) << "the read has it looked at";
    // Nobody else had it.
    fixture.clock.advance(std::chrono::seconds(61));
    const auto at_last = read(damaged);
    ASSERT_TRUE(at_last);
    ASSERT_TRUE(at_last.value().damage);
    EXPECT_EQ(at_last.value().damage->code, Errc::corrupt);
    EXPECT_EQ(at_last.value().skip_to, damaged + 1);
}

TEST_F(ScrubbedStore, FindsADamagedEndThatLooksLikeATornTail) {
    // Nothing follows the last commit of a segment, so nothing there can prove that it was acked.
    auto file = fixture.disk.open(segment(1), OpenMode::read_write).value();
    const auto bytes = file->size_bytes().value();
    std::vector<std::byte> content(bytes);
    ASSERT_TRUE(file->read_now(Position{0}, content));
    auto last = bytes - disk_alignment;
    while (std::ranges::all_of(std::span(content).subspan(last, disk_alignment),
                               [](std::byte b) { return b == std::byte{0}; })) {
        last -= disk_alignment;
    }
    fixture.disk.flip_bit(segment(1), Position{last + 100}, 1);
    EXPECT_EQ(damage_after_restart(), 1U);
}

TEST(ShardStore, FailedDurableWritePoisonsAndAcksNothing) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    ASSERT_TRUE(fixture.publish(seven, "a"));
    // For good: the next segment is being filled beside it and may come first.
    fixture.disk.fail_call(0, EIO, SimDisk::Failure::for_good);
    fixture.run();
    ASSERT_TRUE(fixture.failure);
    EXPECT_EQ(fixture.failure->os_error, EIO);
    EXPECT_THAT(fixture.acked[seven], IsEmpty());
    const auto refused = fixture.publish(seven, "b");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::poisoned);
}

TEST(ShardStore, BelowTheReserveRecordsAreRefusedAndStateGoesOn) {
    StoreFixture fixture;
    fixture.options.disk_reserve_bytes = 1_MiB;
    ASSERT_TRUE(fixture.open());
    ASSERT_TRUE(fixture.publish(seven, "a"));
    fixture.run();
    fixture.disk.set_capacity(512_KiB);
    fixture.store->tick();
    const auto refused = fixture.publish(seven, "b");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Errc::out_of_space);
    EXPECT_TRUE(is_retryable(refused.error().code));
    fixture.put("ack", "1");
    fixture.run();
    EXPECT_EQ(fixture.store->get_state("ack").value(), "1");
    EXPECT_THAT(fixture.read_all(seven).values, ElementsAre("a"));
    fixture.disk.set_capacity(std::uint64_t{1} << 40U);
    fixture.store->tick();
    ASSERT_TRUE(fixture.publish(seven, "c"));
    fixture.run();
    EXPECT_THAT(fixture.read_all(seven).values, ElementsAre("a", "c"));
}

TEST(ShardStore, RetentionByBytesRecyclesWholeSegments) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    fill(fixture, 600);
    const auto before = fixture.store->stats().segments;
    for (std::uint32_t p = 0; p < 3; ++p) {
        ASSERT_TRUE(fixture.store->enforce_retention(
            PartitionId{p}, {.age_max = std::nullopt, .bytes_max = 20'000}));
    }
    fixture.run_turns(5);
    EXPECT_LT(fixture.store->stats().segments, before);
    const auto kept = fixture.read_all(PartitionId{0});
    EXPECT_THAT(kept.damaged, IsEmpty());
    EXPECT_GT(fixture.store->bounds(PartitionId{0}).first, Offset{0});
    EXPECT_EQ(kept.values.back(), fixture.acked[PartitionId{0}].back());
    // What was recycled is written again without its old life shining through.
    fill(fixture, 300);
    EXPECT_EQ(fixture.read_all(PartitionId{1}).values.back(), fixture.acked[PartitionId{1}].back());
}

TEST(ShardStore, RecyclingInTheMiddleCostsNothingWhenTheIndexIsRebuilt) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    for (std::uint32_t p = 0; p < 3; ++p) {
        for (int i = 0; i < 200; ++i) {
            ASSERT_TRUE(
                fixture.publish(PartitionId{p}, std::string(1'000, 'x') + std::to_string(i)));
            fixture.run();
        }
    }
    const auto before = fixture.store->stats().segments;
    ASSERT_TRUE(fixture.store->drop_partition(PartitionId{1}));
    fixture.run_turns(5);
    ASSERT_LT(fixture.store->stats().segments, before);
    fixture.close();  // and with it the index
    ASSERT_TRUE(fixture.open());
    for (const auto p : {0U, 2U}) {
        const auto found = fixture.read_all(PartitionId{p});
        EXPECT_THAT(found.damaged, IsEmpty());
        EXPECT_EQ(found.values, fixture.acked[PartitionId{p}]);
    }
    EXPECT_EQ(fixture.store->stats().frames_quarantined, 0U);
}

TEST(ShardStore, RetentionByTimeDropsWhatIsOlder) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    fill(fixture, 400);
    fixture.clock.advance(std::chrono::hours(2));
    ASSERT_TRUE(fixture.store->enforce_retention(
        PartitionId{0}, {.age_max = std::chrono::hours(1), .bytes_max = std::nullopt}));
    EXPECT_GT(fixture.store->bounds(PartitionId{0}).first, Offset{50});
    EXPECT_EQ(fixture.store->bounds(PartitionId{1}).first, Offset{0});
}

TEST(ShardStore, StateIteratesThroughAllLayersInOrder) {
    StoreFixture fixture;
    ASSERT_TRUE(fixture.open());
    fixture.put("k/1", "a");
    fixture.put("k/3", "c");
    fixture.run();
    ASSERT_TRUE(fixture.store->checkpoint());
    fixture.put("k/2", "b");
    fixture.put("k/3", "d");
    fixture.run();
    std::vector<std::string> seen;
    ASSERT_TRUE(
        fixture.store->visit_state("k/", "", [&](std::string_view key, std::string_view value) {
            seen.push_back(std::string(key) + std::string(value));
            return true;
        }));
    EXPECT_THAT(seen, ElementsAre("k/1a", "k/2b", "k/3d"));
}

}  // namespace
}  // namespace millrace::storage::testing
