#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "tests/unit/storage/store_fixture.hpp"

namespace millrace::storage::testing {
namespace {

using ::testing::HasSubstr;

constexpr PartitionId records{1};
constexpr PartitionId later{2};

/// A store with a few segments of records, and state among the first of them, whose index is lost
/// with every restart.
class StateMoverTest : public ::testing::Test {
  protected:
    StateMoverTest() {
        fixture.options.rebuild_index = true;
        fixture.large_row_bytes = 40'000;  // more than a frame or a commit may have
        EXPECT_TRUE(fixture.open());
        fixture.put("topic", "x");
        fill(records, 200);
    }
    void fill(PartitionId partition, int count) {
        for (int i = 0; i < count; ++i) {
            ASSERT_TRUE(fixture.publish(partition, std::string(1'000, 'r')));
            fixture.run();
        }
    }
    void expect_state() const {
        const auto large = fixture.store->get_state("large").value();
        const auto applied = fixture.store->get_state("applied").value();
        EXPECT_EQ(fixture.store->get_state("topic").value(), "x");
        ASSERT_TRUE(large && applied);
        EXPECT_EQ(*large, std::string(fixture.large_row_bytes, applied->back()));
    }
    [[nodiscard]] bool has_first_segment() const {
        return std::ranges::any_of(fixture.disk.paths(), [](const std::string& path) {
            return path.ends_with("log/0000000000000001.seg");
        });
    }

    StoreFixture fixture;
};

TEST_F(StateMoverTest, RowLargerThanAFrameOutlivesItsSegmentsAndTheIndex) {
    ASSERT_TRUE(fixture.store->drop_partition(records));
    fixture.run_turns(20);
    EXPECT_EQ(fixture.state_dumps(), 1U);
    EXPECT_EQ(fixture.state_dump_failures(), 0U);
    ASSERT_FALSE(has_first_segment());
    fixture.close();
    ASSERT_TRUE(fixture.open());
    expect_state();
}

TEST_F(StateMoverTest, EmptyPartitionGoesOnWhereItWasOnceTheIndexIsLost) {
    const auto next = fixture.store->bounds(records).next;
    EXPECT_EQ(next, Offset{200});
    constexpr PartitionId dropped{3};
    fill(dropped, 20);  // shares the last segment of the records
    fill(later, 100);
    ASSERT_TRUE(fixture.store->enforce_retention(
        records, {.age_max = std::chrono::milliseconds(0), .bytes_max = {}}));
    ASSERT_TRUE(fixture.store->drop_partition(dropped));
    fixture.run_turns(20);
    ASSERT_EQ(fixture.store->bounds(records).first, next) << "nothing of it is left";
    ASSERT_FALSE(has_first_segment());
    fixture.crash();
    ASSERT_TRUE(fixture.open());
    EXPECT_EQ(fixture.store->bounds(records).first, next);
    EXPECT_EQ(fixture.store->bounds(records).next, next);
    EXPECT_EQ(fixture.store->bounds(later).first, Offset{0});
    ASSERT_TRUE(fixture.publish(records, "next"));
    fixture.run();
    EXPECT_EQ(fixture.store->bounds(records).next, next + 1);
}

TEST_F(StateMoverTest, IndexThatWasNotBuiltToTheEndIsBuiltAnew) {
    const auto directory =
        std::filesystem::path(::testing::TempDir()) / ("half-built-" + std::to_string(::getpid()));
    std::filesystem::create_directories(directory);
    StoreFixture real;
    real.options.directory = directory.string();
    real.options.index_in_memory = false;
    ASSERT_TRUE(real.open());
    real.put("topic", "x");
    for (int i = 0; i < 200; ++i) {
        ASSERT_TRUE(real.publish(records, std::string(1'000, 'r')));
        real.run();
    }
    ASSERT_TRUE(real.store->drop_partition(records));
    real.run_turns(20);
    ASSERT_EQ(real.state_dumps(), 1U) << "the log has the state in a copy alone";
    real.close();
    real.options.rebuild_index = true;
    ASSERT_TRUE(real.open());
    real.crash();  // before a checkpoint
    real.options.rebuild_index = false;
    ASSERT_TRUE(real.open());
    EXPECT_EQ(real.store->get_state("topic").value(), "x");
    ASSERT_TRUE(real.store->checkpoint());
    real.close();
    ASSERT_TRUE(real.open());
    EXPECT_EQ(real.store->get_state("topic").value(), "x");
    real.close();
    std::filesystem::remove_all(directory);
}

TEST_F(StateMoverTest, SegmentsStayUntilTheWholeDumpIsOnDisk) {
    fixture.large_row_bytes = 300'000;
    fill(later, 100);  // the next checkpoint has the row
    ASSERT_TRUE(fixture.store->drop_partition(records));
    fixture.run();
    for (int turn = 0; fixture.state_dumps() == 0; ++turn) {
        EXPECT_TRUE(has_first_segment());
        ASSERT_LT(turn, 100);
        fixture.run();
    }
    fixture.run();
    EXPECT_FALSE(has_first_segment());
}

TEST_F(StateMoverTest, OwnSegmentsOfADumpAreNoReasonForAnother) {
    fixture.large_row_bytes = 300'000;  // several segments
    fill(later, 100);
    ASSERT_TRUE(fixture.store->drop_partition(records));
    fixture.run_turns(200);
    fill(later, 200);
    fixture.run_turns(50);
    EXPECT_EQ(fixture.state_dumps(), 1U);
}

TEST_F(StateMoverTest, BusyDiskIsWaitedForAndNothingFails) {
    fixture.options.commit_backlog_bytes_max = 64_KiB;
    fixture.close();
    fixture.large_row_bytes = 300'000;
    ASSERT_TRUE(fixture.open());
    fill(later, 100);
    ASSERT_TRUE(fixture.store->drop_partition(records));
    for (int i = 0; i < 20; ++i) {
        fixture.store->submit();
        fixture.store->tick();  // nothing reaches the disk meanwhile
    }
    EXPECT_EQ(fixture.state_dumps(), 0U);
    EXPECT_TRUE(has_first_segment());
    EXPECT_TRUE(fixture.publish(later, "others still fit"));
    fixture.run_turns(50);
    EXPECT_EQ(fixture.state_dumps(), 1U);
    EXPECT_EQ(fixture.state_dump_failures(), 0U);
    EXPECT_FALSE(has_first_segment());
}

TEST_F(StateMoverTest, FailedDumpKeepsTheSegmentsAndIsTriedAgainAfterAPause) {
    fixture.large_row_bytes = 300'000;
    fill(later, 100);
    ASSERT_TRUE(fixture.store->drop_partition(records));
    fixture.disk.set_capacity(0);  // no segment can be added
    fixture.run_turns(20);
    EXPECT_EQ(fixture.state_dumps(), 0U);
    EXPECT_EQ(fixture.state_dump_failures(), 1U);
    EXPECT_THAT(fixture.store->stats().state_dump_failure, HasSubstr("full"));
    EXPECT_TRUE(has_first_segment());
    fixture.disk.set_capacity(1_GiB);
    fixture.run_turns(20);
    EXPECT_EQ(fixture.state_dumps(), 0U);
    fixture.clock.advance(std::chrono::seconds(5));
    fixture.run_turns(50);
    EXPECT_GE(fixture.state_dumps(), 1U);
    EXPECT_EQ(fixture.state_dump_failures(), 1U);
    EXPECT_EQ(fixture.store->stats().state_dump_failure, "");
    EXPECT_FALSE(has_first_segment());
}

TEST_F(StateMoverTest, DumpThatBreaksOffLeavesTheOneBeforeStanding) {
    ASSERT_TRUE(fixture.store->drop_partition(records));
    fixture.run_turns(20);
    ASSERT_EQ(fixture.state_dumps(), 1U);
    fixture.large_row_bytes = 300'000;
    fill(later, 200);
    ASSERT_TRUE(fixture.store->drop_partition(later));
    fixture.run_turns(3);
    ASSERT_EQ(fixture.state_dumps(), 1U);
    fixture.large_row_bytes = 40'000;
    fixture.crash();
    ASSERT_TRUE(fixture.open());
    expect_state();
}

}  // namespace
}  // namespace millrace::storage::testing
