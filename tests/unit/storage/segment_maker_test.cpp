#include "storage/log/segment_maker.hpp"

#include <algorithm>
#include <cerrno>

#include <gtest/gtest.h>

#include "storage/io/sim_disk.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t segment_bytes = 4_MiB;
constexpr std::size_t first_bytes = 512_KiB;

/// A maker whose steps run at once, so that one call is one step.
class SegmentMakerTest : public ::testing::Test {
  protected:
    SegmentMakerTest() {
        EXPECT_TRUE(disk_.make_directories("log"));
        begin(segment_bytes);
    }

    void begin(std::size_t bytes_before) {
        maker_.begin({.header = {.sequence = SegmentSequence{7}, .hash_seed = 99},
                      .directory = "log",
                      .path = "log/7.seg",
                      .source = "log/7.seg.new",
                      .bytes = segment_bytes,
                      .bytes_before = bytes_before});
    }
    /// Of a segment that was made meanwhile nothing is left to do.
    void expect_whole() {
        const auto paths = disk_.paths();
        EXPECT_NE(std::ranges::find(paths, "log/7.seg"), paths.end());
        const auto calls = disk_.call_count();
        ASSERT_TRUE(maker_.take());
        EXPECT_EQ(disk_.call_count(), calls);
    }

    void step(std::size_t used) {
        maker_.go_on(used);
        background_.run_endings();
    }
    [[nodiscard]] std::size_t filled() const {
        const auto paths = disk_.paths();
        return std::ranges::find(paths, "log/7.seg.new") == paths.end()
                   ? 0
                   : disk_.contents("log/7.seg.new").size();
    }

    SimDisk disk_{1};
    ManualClock clock_;
    Background background_{Background::Mode::inline_in_owner};
    SegmentMaker maker_{disk_, clock_, background_};
};

TEST_F(SegmentMakerTest, RestsBetweenStepsWhileItIsAheadOfTheLog) {
    step(0);
    const auto first = filled();
    ASSERT_GT(first, 0U);
    ASSERT_LT(first, segment_bytes / 4);
    step(0);
    EXPECT_EQ(filled(), first);
    clock_.advance(std::chrono::milliseconds(20));
    step(0);
    EXPECT_EQ(filled(), 2 * first);
}

TEST_F(SegmentMakerTest, IsDoneBeforeTheLogNeedsItHoweverFastThatGrows) {
    for (std::size_t used = 0; used <= segment_bytes * 9 / 10; used += 64_KiB) {
        step(used);
    }
    expect_whole();
}

TEST_F(SegmentMakerTest, IsDoneInTimeAlsoBesideASmallerOne) {
    begin(first_bytes);
    for (std::size_t used = 0; used <= first_bytes * 9 / 10; used += 64_KiB) {
        step(used);
    }
    expect_whole();
}

TEST_F(SegmentMakerTest, TakenEarlyItIsFinishedWithoutRest) {
    step(0);
    const auto made = maker_.take();
    ASSERT_TRUE(made);
    EXPECT_EQ(made.value().path, "log/7.seg");
    const auto bytes = disk_.contents("log/7.seg");
    ASSERT_EQ(bytes.size(), segment_bytes);
    const auto header = parse_segment_header(std::span(bytes).first(disk_alignment));
    ASSERT_TRUE(header);
    EXPECT_EQ(header.value().hash_seed, 99U);
    EXPECT_TRUE(std::all_of(bytes.begin() + disk_alignment, bytes.end(), [](std::byte byte) {
        return byte == std::byte{0};
    }));
}

TEST_F(SegmentMakerTest, FailedStepGivesTheSpaceBackAndTellsWhoTakes) {
    step(0);
    disk_.fail_call(0, ENOSPC, SimDisk::Failure::for_good);
    clock_.advance(std::chrono::milliseconds(20));
    step(0);
    EXPECT_FALSE(maker_.is_begun());
    EXPECT_EQ(filled(), 0U);
    const auto made = maker_.take();
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code, Errc::out_of_space);
}

}  // namespace
}  // namespace millrace::storage
