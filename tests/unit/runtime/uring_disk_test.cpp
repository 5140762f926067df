#include "broker/runtime/uring_disk.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include <gtest/gtest.h>

#include "storage/base/units.hpp"
#include "storage/io/disk_buffer.hpp"

namespace millrace::broker {
namespace {

using storage::AlignedBuffer;
using storage::DiskBuffer;
using storage::OpenMode;

class UringDiskTest : public ::testing::Test {
  protected:
    UringDiskTest() {
        auto pattern = (std::filesystem::temp_directory_path() / "millrace-uring-XXXXXX").string();
        directory = ::mkdtemp(pattern.data());
    }
    UringDiskTest(const UringDiskTest&) = delete;
    UringDiskTest& operator=(const UringDiskTest&) = delete;
    UringDiskTest(UringDiskTest&&) = delete;
    UringDiskTest& operator=(UringDiskTest&&) = delete;
    ~UringDiskTest() override { std::filesystem::remove_all(directory); }

    std::unique_ptr<storage::File> make_file(std::size_t bytes) {
        const auto path = (directory / "file").string();
        auto made = disk.open(path, OpenMode::create).value();
        EXPECT_TRUE(made->write_now(Position{0}, std::vector<std::byte>(bytes)));
        return disk.open(path, OpenMode::direct_write).value();
    }
    std::int32_t write(storage::File& file, Position at, std::span<const std::byte> bytes) {
        std::int32_t result = -1;
        file.write_durable(at, bytes, [&](std::int32_t written) { result = written; });
        disk.drain();
        return result;
    }

    std::unique_ptr<Ring> ring = Ring::create(64).value();
    UringDisk disk{*ring};
    std::filesystem::path directory;
};

TEST_F(UringDiskTest, WritesFromKnownAndFromOtherMemory) {
    const auto file = make_file(64_KiB);
    DiskBuffer known(disk, 16_KiB);
    AlignedBuffer other(16_KiB);
    std::ranges::fill(known.span(), std::byte{'k'});
    std::ranges::fill(other.span(), std::byte{'o'});
    EXPECT_EQ(write(*file, Position{0}, known.span()), 16'384);
    EXPECT_EQ(write(*file, Position{16_KiB}, other.span()), 16'384);
    EXPECT_EQ(write(*file, Position{32_KiB}, known.span().subspan(4_KiB, 4_KiB)), 4'096);
    AlignedBuffer read(64_KiB);
    std::int32_t taken = 0;
    file->read(Position{0}, read.span(), [&](std::int32_t bytes) { taken = bytes; });
    disk.drain();
    EXPECT_EQ(taken, 65'536);
    EXPECT_EQ(read.span()[0], std::byte{'k'});
    EXPECT_EQ(read.span()[16_KiB], std::byte{'o'});
    EXPECT_EQ(read.span()[32_KiB], std::byte{'k'});
    EXPECT_EQ(read.span()[36_KiB], std::byte{0});
}

TEST_F(UringDiskTest, MemoryIsForgottenWithItsBuffer) {
    auto& tables = ring->tables();
    AlignedBuffer memory(4_KiB);
    tables.add_buffer(memory.span());
    const auto slot = tables.buffer_of(memory.span());
    tables.remove_buffer(memory.span());
    EXPECT_EQ(tables.buffer_of(memory.span()), RingTables::none);
    for (int i = 0; i < 200; ++i) {  // more often than there are slots
        DiskBuffer buffer(disk, 4_KiB);
        EXPECT_EQ(tables.buffer_of(buffer.span()), slot);
    }
}

TEST_F(UringDiskTest, BuffersBeyondTheTableStillWork) {
    const auto file = make_file(4_KiB);
    std::vector<DiskBuffer> buffers;
    for (int i = 0; i < 100; ++i) {
        buffers.emplace_back(disk, 4_KiB);
        std::ranges::fill(buffers.back().span(), static_cast<std::byte>(i));
    }
    EXPECT_EQ(ring->tables().buffer_of(buffers.back().span()), RingTables::none);
    EXPECT_EQ(write(*file, Position{0}, buffers.back().span()), 4'096);
    std::vector<std::byte> first(1);
    EXPECT_TRUE(file->read_now(Position{0}, buffers.front().span()));
    EXPECT_EQ(buffers.front().span()[0], std::byte{99});
}

TEST_F(UringDiskTest, FileInTheTableIsLetGoWithIt) {
    const auto slots_before = ring->tables().add_file(0);
    ring->tables().remove_file(slots_before);
    for (int i = 0; i < 50; ++i) {
        const auto file = make_file(4_KiB);
        AlignedBuffer bytes(4_KiB);
        std::ranges::fill(bytes.span(), std::byte{1});
        EXPECT_EQ(write(*file, Position{0}, bytes.span()), 4'096);
    }
    const auto slots_after = ring->tables().add_file(0);
    EXPECT_EQ(slots_after, slots_before);
    ring->tables().remove_file(slots_after);
}

TEST_F(UringDiskTest, FailureComesAsANegativeErrno) {
    const auto file = make_file(4_KiB);
    AlignedBuffer bytes(4_KiB);
    EXPECT_EQ(write(*file, Position{100}, bytes.span()), -EINVAL);  // not aligned
}

}  // namespace
}  // namespace millrace::broker
