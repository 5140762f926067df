#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/storage/store_fixture.hpp"

namespace millrace::storage::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Gt;
using ::testing::IsEmpty;
using ::testing::Lt;
using ::testing::Not;
using ::testing::SizeIs;

constexpr std::uint32_t partitions = 5;
constexpr PartitionId kept{0};

/// Records of a few partitions, side by side in a few dozen segments.
class RewriteTest : public ::testing::Test {
  protected:
    RewriteTest() { EXPECT_TRUE(fixture.open()); }
    void set_share(std::uint32_t percent) {
        fixture.close();
        fixture.options.rewrite_below_live_percent = percent;
        ASSERT_TRUE(fixture.open());
    }
    void publish(int rounds) {
        for (int i = 0; i < rounds; ++i) {
            for (std::uint32_t p = 0; p < partitions; ++p) {
                const auto text = std::to_string(p) + ":" + std::to_string(next_++) +
                                  std::string(random.below(1'500), 'x');
                ASSERT_TRUE(fixture.publish(PartitionId{p}, text));
                published.push_back(text);
            }
            fixture.run();
        }
    }
    void ask_clustered(int turns = 60) {
        fixture.store->set_clustered(kept, true);
        for (int i = 0; i < turns; ++i) {
            fixture.clock.advance(std::chrono::milliseconds(500));
            fixture.run();
        }
    }
    void drop_others() const {
        for (std::uint32_t p = 1; p < partitions; ++p) {
            ASSERT_TRUE(fixture.store->drop_partition(PartitionId{p}));
        }
    }
    void expect_all() {
        for (std::uint32_t p = 0; p < partitions; ++p) {
            const auto found = fixture.read_all(PartitionId{p});
            EXPECT_THAT(found.damaged, IsEmpty());
            EXPECT_EQ(found.values, fixture.acked[PartitionId{p}]) << p;
        }
        EXPECT_EQ(fixture.scan_all(0).values, published);
    }
    std::uint64_t rewritten() { return fixture.rewritten_segments(); }
    std::uint64_t failures() { return fixture.rewrite_failures(); }
    [[nodiscard]] std::vector<std::string> rewritten_files() const {
        auto paths = fixture.disk.paths();
        std::erase_if(paths, [](const std::string& path) {
            return path.find("-1.seg") == std::string::npos;
        });
        return paths;
    }

    StoreFixture fixture;
    Random random{3};
    std::vector<std::string> published;

  private:
    int next_ = 0;
};

TEST_F(RewriteTest, BatchesOfAPartitionComeToLieSideBySide) {
    publish(400);
    const auto before = fixture.store->stats().log_bytes;
    ask_clustered();
    EXPECT_THAT(rewritten(), Gt(10U));
    EXPECT_EQ(failures(), 0U);
    EXPECT_THAT(fixture.store->stats().log_bytes, Lt(before)) << "without the padding of commits";
    expect_all();
    // Of what is read the rest is that of no other: one operation brings as much as it can.
    std::vector<std::size_t> sizes;
    fixture.store->read(
        {.partition = kept, .from = Offset{0}, .bytes_max = 10'000},
        [&](Result<ReadResult> read) { sizes.push_back(read.value().runs.size()); });
    fixture.disk.drain();
    ASSERT_EQ(sizes.size(), 1U);
    EXPECT_THAT(sizes[0], AllOf(Gt(8'000U), Lt(10'001U)));
}

TEST_F(RewriteTest, NobodyAsksAndEverythingStaysWhereItIs) {
    publish(400);
    fixture.run_turns(60);
    EXPECT_EQ(rewritten(), 0U);
    EXPECT_EQ(fixture.state_dumps(), 0U);
}

TEST_F(RewriteTest, SpaceComesBackWhereLittleOfASegmentIsAlive) {
    set_share(50);
    publish(400);
    const auto before = fixture.store->stats().log_bytes;
    drop_others();
    for (int i = 0; i < 60; ++i) {
        fixture.run_turns(1);
        fixture.clock.advance(std::chrono::milliseconds(1));  // between files that go
    }
    EXPECT_THAT(rewritten(), Gt(10U));
    EXPECT_THAT(fixture.store->stats().log_bytes, Lt(before / 2));
    const auto times = rewritten();
    fixture.run_turns(60);
    EXPECT_EQ(rewritten(), times) << "what is rewritten is dense";
    EXPECT_EQ(fixture.read_all(kept).values, fixture.acked[kept]);
}

TEST_F(RewriteTest, WithoutAShareNothingIsRewritten) {
    publish(200);
    drop_others();
    fixture.run_turns(60);
    EXPECT_EQ(rewritten(), 0U);
}

TEST_F(RewriteTest, OrderOutlivesASecondRewrite) {
    set_share(50);
    publish(400);
    ask_clustered();
    const auto first = rewritten();
    drop_others();
    std::erase_if(published, [](const std::string& text) { return !text.starts_with("0:"); });
    fixture.run_turns(60);
    EXPECT_THAT(rewritten(), Gt(first + 10));
    EXPECT_EQ(fixture.read_all(kept).values, fixture.acked[kept]);
    const auto scanned = fixture.scan_all(0).values;
    std::vector<std::string> of_kept;
    std::ranges::copy_if(scanned, std::back_inserter(of_kept), [](const std::string& text) {
        return text.starts_with("0:");
    });
    EXPECT_EQ(of_kept, published);
}

TEST_F(RewriteTest, IndexIsRebuiltFromWhatWasRewritten) {
    publish(400);
    ask_clustered();
    ASSERT_THAT(rewritten_files(), SizeIs(Gt(10U)));
    fixture.crash();
    ASSERT_TRUE(fixture.open());
    EXPECT_THAT(fixture.store->stats().frames_quarantined, 0U);
    expect_all();
    publish(50);
    expect_all();
}

TEST_F(RewriteTest, ScanThatHasBegunGoesOnInTheNewOrder) {
    publish(400);
    auto cursor = fixture.store->scan_start(0).value();
    std::vector<std::string> values;
    const auto scan = [&] {
        bool at_end = false;
        fixture.store->scan(cursor, 8'192, [&](const Result<ScanResult>& result) {
            at_end = result.value().at_end;
            cursor = result.value().next;
            StoreFixture::ReadAll all;
            (void)all.take({.runs = SharedBytes(nullptr, result.value().runs),
                            .next = {},
                            .damage = {},
                            .skip_to = {}});
            values.insert(values.end(), all.values.begin(), all.values.end());
        });
        fixture.disk.drain();
        return !at_end;
    };
    // A page has at least one commit of the old layout, whatever is asked for.
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(scan());
    }
    ask_clustered();
    ASSERT_THAT(rewritten(), Gt(10U));
    while (scan()) {
    }
    EXPECT_EQ(values, published);
}

TEST_F(RewriteTest, WhatMemoryHasOfTheOldLayoutIsNotTakenForTheNewOne) {
    fixture.options.tail_cache_bytes_max = 8_MiB;
    fixture.close();
    ASSERT_TRUE(fixture.open());
    publish(300);
    ask_clustered();
    ASSERT_THAT(rewritten(), Gt(6U));
    expect_all();
}

TEST_F(RewriteTest, ReaderThatHasBegunGoesOnInTheNewLayout) {
    publish(400);
    std::vector<std::string> values;
    Offset next;
    const auto read_some = [&] {
        fixture.store->read({.partition = kept, .from = next, .bytes_max = 2'000},
                            [&](const Result<ReadResult>& result) {
                                StoreFixture::ReadAll all;
                                next = all.take(result.value());
                                values.insert(values.end(), all.values.begin(), all.values.end());
                                EXPECT_TRUE(all.damaged.empty());
                            });
        fixture.disk.drain();
    };
    for (int i = 0; i < 20; ++i) {
        read_some();
    }
    ASSERT_THAT(values.size(), AllOf(Gt(10U), Lt(fixture.acked[kept].size() / 2)));
    ask_clustered();
    ASSERT_THAT(rewritten(), Gt(10U));
    while (next < fixture.store->bounds(kept).next) {
        read_some();
    }
    EXPECT_EQ(values, fixture.acked[kept]);
}

TEST_F(RewriteTest, SegmentMayDieWhileItIsRewritten) {
    for (int turns = 0; turns < 24; ++turns) {
        StoreFixture other;
        other.options.rewrite_below_live_percent = 90;
        ASSERT_TRUE(other.open());
        for (int i = 0; i < 300; ++i) {
            ASSERT_TRUE(other.publish(PartitionId{static_cast<std::uint32_t>(i) % 3},
                                      std::string(900, 'x')));
            other.run();
        }
        ASSERT_TRUE(other.store->drop_partition(PartitionId{0}));
        other.run_turns(turns);
        ASSERT_TRUE(other.store->drop_partition(PartitionId{1}));
        ASSERT_TRUE(other.store->drop_partition(PartitionId{2}));
        other.run_turns(30);
        EXPECT_LT(other.store->stats().segments, 12U) << turns;
    }
}

TEST_F(RewriteTest, DamagedOrderCostsScansTheirSegmentAndReadersNothing) {
    publish(400);
    ask_clustered();
    const auto path = rewritten_files().front();
    const auto bytes = fixture.disk.contents(path).size();
    fixture.disk.flip_bit(path, Position{bytes - 4'000}, 1);
    for (std::uint32_t p = 0; p < partitions; ++p) {
        EXPECT_EQ(fixture.read_all(PartitionId{p}).values, fixture.acked[PartitionId{p}]);
    }
    const auto scanned = fixture.scan_all(0).values;
    EXPECT_THAT(scanned.size(), AllOf(Gt(published.size() / 2), Lt(published.size())));
}

TEST_F(RewriteTest, DamagedSegmentIsLeftAsItIs) {
    publish(400);
    fixture.disk.flip_bit("/data/shard-00/log/0000000000000002.seg", Position{9'000}, 1);
    ask_clustered();
    EXPECT_EQ(failures(), 1U);
    fixture.clock.advance(std::chrono::minutes(1));
    ask_clustered();
    EXPECT_EQ(failures(), 1U) << "it is not tried again";
    EXPECT_THAT(rewritten(), Gt(10U));
    EXPECT_EQ(fixture.disk.contents("/data/shard-00/log/0000000000000002.seg").size(),
              fixture.options.segment_bytes);
}

TEST_F(RewriteTest, FullDiskIsWaitedFor) {
    publish(400);
    fixture.disk.set_capacity(0);
    ask_clustered();
    EXPECT_EQ(rewritten(), 0U);
    fixture.disk.set_capacity(1_GiB);
    fixture.clock.advance(std::chrono::minutes(1));
    ask_clustered();
    EXPECT_THAT(rewritten(), Gt(10U));
    expect_all();
}

/// With an index on disk, which a start finds again.
TEST(Rewrite, StartOpensTheGenerationThatTheIndexKnowsAndRemovesTheOthers) {
    const auto directory =
        std::filesystem::path(::testing::TempDir()) / ("rewrite-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory);
    StoreFixture fixture;
    fixture.options.directory = directory.string();
    fixture.options.index_in_memory = false;
    fixture.options.rewrite_below_live_percent = 60;
    ASSERT_TRUE(fixture.open());
    for (int i = 0; i < 1'000; ++i) {
        ASSERT_TRUE(fixture.publish(PartitionId{static_cast<std::uint32_t>(i) % 2},
                                    std::to_string(i) + std::string(900, 'x')));
        fixture.run();
    }
    ASSERT_TRUE(fixture.store->drop_partition(PartitionId{1}));
    fixture.run_turns(60);
    ASSERT_TRUE(fixture.store->checkpoint());
    fixture.close();
    const auto log = directory.string() + "/log/";
    const auto rewritten = log + "0000000000000003-1.seg";
    ASSERT_THAT(fixture.disk.paths(), Contains(rewritten));
    // As a start finds it after a loss of power right behind the change-over, or right before one.
    const auto put = [&fixture](const std::string& path, const std::string& like) {
        const auto bytes = fixture.disk.contents(like);
        (void)fixture.disk.open(path, OpenMode::create);
        const auto file = fixture.disk.open(path, OpenMode::read_write).value();
        ASSERT_TRUE(file->write_now(Position{0}, bytes));
        ASSERT_TRUE(file->sync_now());
    };
    put(log + "0000000000000003.seg", rewritten);
    put(log + "0000000000000003-2.seg", rewritten);
    put(log + "0000000000000003-2.seg.new", rewritten);
    put(log + "notes-1.txt", rewritten);
    ASSERT_TRUE(fixture.open());
    const auto paths = fixture.disk.paths();
    EXPECT_THAT(paths, Contains(rewritten));
    EXPECT_THAT(paths, Contains(log + "notes-1.txt"));
    EXPECT_THAT(paths, Not(Contains(log + "0000000000000003.seg")));
    EXPECT_THAT(paths, Not(Contains(log + "0000000000000003-2.seg")));
    EXPECT_THAT(paths, Not(Contains(log + "0000000000000003-2.seg.new")));
    EXPECT_EQ(fixture.read_all(PartitionId{0}).values, fixture.acked[PartitionId{0}]);
    fixture.close();
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace millrace::storage::testing
