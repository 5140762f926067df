#include "storage/io/sim_disk.hpp"

#include <algorithm>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "storage/base/random.hpp"
#include "storage/base/units.hpp"

namespace millrace::storage {
namespace {

constexpr std::size_t sector_bytes = 512;
constexpr std::size_t file_bytes = 32_KiB;
using Bytes = std::vector<std::byte>;

/// A file, and beside it what has to be in it.
class SimDiskTest : public ::testing::Test {
  protected:
    SimDiskTest() { file = disk.open("f", OpenMode::create).value(); }
    /// Zeros as often as not, anywhere, of any length.
    void write_some() {
        const auto at = random.below(file_bytes - 1);
        const auto most = std::min<std::uint64_t>(file_bytes - at, 10'000);
        Bytes bytes(1 + random.below(most));
        if (random.chance(0.5)) {
            std::ranges::generate(bytes, [this] { return static_cast<std::byte>(random.next()); });
        }
        written.resize(std::max<std::size_t>(written.size(), at + bytes.size()));
        std::ranges::copy(bytes, written.begin() + static_cast<std::ptrdiff_t>(at));
        if (random.chance(0.5)) {
            ASSERT_TRUE(file->write_now(Position{at}, bytes));
            return;
        }
        file->write_durable(Position{at}, bytes, [](std::int32_t) {});
        disk.drain();
        durable.resize(written.size());
        std::ranges::copy(bytes, durable.begin() + static_cast<std::ptrdiff_t>(at));
    }
    void sync() {
        ASSERT_TRUE(file->sync_now());
        durable = written;
    }
    void expect_contents() {
        ASSERT_EQ(disk.contents("f"), written);
        auto known = disk.durable_contents("f");
        known.resize(written.size());
        durable.resize(written.size());
        ASSERT_EQ(known, durable);
        Bytes out(file_bytes);
        const auto at = random.below(written.size());
        out.resize(file->read_now(Position{at}, out).value());
        ASSERT_TRUE(std::ranges::equal(out, std::span(written).subspan(at)));
    }
    /// Each sector is as it was written, or as it was durable.
    void crash() {
        disk.crash();
        file = disk.open("f", OpenMode::read_write).value();
        const auto left = disk.contents("f");
        ASSERT_EQ(left.size(), written.size());
        for (std::size_t at = 0; at < left.size(); at += sector_bytes) {
            const auto bytes = std::min(sector_bytes, left.size() - at);
            const auto now = std::span(left).subspan(at, bytes);
            const bool is_kept = std::ranges::equal(now, std::span(written).subspan(at, bytes));
            const bool is_lost = std::ranges::equal(now, std::span(durable).subspan(at, bytes));
            ASSERT_TRUE(is_kept || is_lost) << "sector at " << at;
            kept += is_kept && !is_lost ? 1U : 0U;
            lost += is_lost && !is_kept ? 1U : 0U;
        }
        written = left;
        durable = left;
    }

    Random random{1};
    SimDisk disk{1};
    std::unique_ptr<File> file;
    Bytes written;
    Bytes durable;
    std::uint64_t kept = 0;  ///< sectors that were not durable
    std::uint64_t lost = 0;
};

TEST_F(SimDiskTest, KeepsWhatWasWrittenApartFromWhatIsDurable) {
    for (int step = 0; step < 2'000; ++step) {
        write_some();
        if (random.chance(0.1)) {
            sync();
        }
        expect_contents();
        if (random.chance(0.05)) {
            crash();
        }
        ASSERT_FALSE(HasFatalFailure()) << "step " << step;
    }
    EXPECT_GT(kept, 100U);
    EXPECT_GT(lost, 100U);
}

TEST_F(SimDiskTest, FlippedBitIsInWhatWasWrittenAndInWhatIsDurable) {
    write_some();
    sync();
    const auto at = random.below(written.size());
    disk.flip_bit("f", Position{at}, 3);
    written[at] ^= std::byte{8};
    durable[at] ^= std::byte{8};
    expect_contents();
}

TEST_F(SimDiskTest, FileThatWasOpenWhenThePowerWentChangesNothing) {
    write_some();
    sync();
    const auto dead = std::move(file);
    disk.crash();
    const Bytes ones(written.size(), std::byte{1});
    ASSERT_TRUE(dead->write_now(Position{0}, ones));
    ASSERT_TRUE(dead->sync_now());
    EXPECT_EQ(disk.contents("f"), written);
}

}  // namespace
}  // namespace millrace::storage
