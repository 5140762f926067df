#include "storage/log/segment_remover.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/base/units.hpp"
#include "storage/io/sim_disk.hpp"

namespace millrace::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t file_bytes = 10_MiB;

/// A remover whose steps run at once, so that one call is one step.
class SegmentRemoverTest : public ::testing::Test {
  protected:
    void add(const std::string& path, std::uint64_t bytes = file_bytes) {
        const auto file = disk_.open(path, OpenMode::create);
        ASSERT_TRUE(file &&
                    file.value()->write_now(Position{bytes - 1}, std::vector(1, std::byte{1})));
        remover_.add(path, bytes);
    }
    void step() {
        remover_.go_on();
        background_.run_endings();
    }
    void rest_and_step() {
        clock_.advance(std::chrono::milliseconds(10));
        step();
    }

    SimDisk disk_{1};
    ManualClock clock_;
    Background background_{Background::Mode::inline_in_owner};
    SegmentRemover remover_{disk_, clock_, background_, "log"};
};

TEST_F(SegmentRemoverTest, SpaceComesBackPieceByPieceWithRestsBetween) {
    add("log/free/1.seg");
    step();
    const auto left = disk_.contents("log/free/1.seg").size();
    EXPECT_LT(left, file_bytes);
    EXPECT_GT(left, file_bytes / 2);
    EXPECT_EQ(remover_.bytes(), left);
    step();
    EXPECT_EQ(disk_.contents("log/free/1.seg").size(), left) << "it rests";
    rest_and_step();
    EXPECT_LT(disk_.contents("log/free/1.seg").size(), left);
    rest_and_step();
    EXPECT_THAT(disk_.paths(), IsEmpty());
    EXPECT_EQ(remover_.bytes(), 0U);
}

TEST_F(SegmentRemoverTest, FilesGoOneAfterAnotherAndSmallOnesAtOnce) {
    add("log/free/1.seg", 4096);
    add("log/free/2.seg");
    step();
    EXPECT_THAT(disk_.paths(), ElementsAre("log/free/2.seg"));
    EXPECT_EQ(remover_.bytes(), file_bytes);
    for (int i = 0; i < 3; ++i) {
        rest_and_step();
    }
    EXPECT_THAT(disk_.paths(), IsEmpty());
    rest_and_step();  // nothing is left to do
    EXPECT_EQ(remover_.bytes(), 0U);
}

TEST_F(SegmentRemoverTest, OneThatCannotBeRemovedDoesNotHoldUpTheNext) {
    add("log/free/1.seg");
    add("log/free/2.seg", 4096);
    ASSERT_TRUE(disk_.remove("log/free/1.seg"));
    step();
    EXPECT_EQ(remover_.bytes(), 4096U);
    rest_and_step();
    EXPECT_THAT(disk_.paths(), IsEmpty());
}

class SegmentTrimTest : public SegmentRemoverTest {
  protected:
    /// A file of zeros but for one byte.
    void make(std::uint64_t used) {
        const auto file = disk_.open(path_, OpenMode::create);
        std::vector<std::byte> bytes(file_bytes);
        bytes[used - 1] = std::byte{1};
        ASSERT_TRUE(file && file.value()->write_now(Position{0}, bytes));
    }
    [[nodiscard]] std::uint64_t size() const { return disk_.contents(path_).size(); }

    std::string path_ = "log/0000000000000001.seg";
};

TEST_F(SegmentTrimTest, ZerosBehindTheCommitsComeBackAndNothingElse) {
    make(8192);
    remover_.trim(path_, file_bytes, 8192);
    EXPECT_EQ(remover_.bytes(), file_bytes - 8192);
    step();
    EXPECT_EQ(size(), file_bytes - 4_MiB) << "a piece at a time";
    rest_and_step();
    rest_and_step();
    EXPECT_EQ(size(), 8192U);
    EXPECT_EQ(remover_.bytes(), 0U);
    rest_and_step();
    EXPECT_EQ(size(), 8192U) << "the file stays";
}

TEST_F(SegmentTrimTest, WhatIsNotZeroStaysWithAllThatLiesBeforeIt) {
    make(5_MiB);
    remover_.trim(path_, file_bytes, 8192);
    for (int i = 0; i < 4; ++i) {
        rest_and_step();
    }
    EXPECT_EQ(size(), 6_MiB) << "the last piece without it is gone";
    EXPECT_EQ(remover_.bytes(), 0U);
}

TEST_F(SegmentTrimTest, OneWithAnotherNameIsForgotten) {
    make(8192);
    add("log/free/2.seg", 4096);
    remover_.trim(path_, file_bytes, 8192);
    remover_.forget(path_);
    EXPECT_EQ(remover_.bytes(), 4096U);
    rest_and_step();
    rest_and_step();
    EXPECT_THAT(disk_.paths(), ElementsAre(path_));
    EXPECT_EQ(size(), file_bytes);
}

}  // namespace
}  // namespace millrace::storage
