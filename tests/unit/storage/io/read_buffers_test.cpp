#include "storage/io/read_buffers.hpp"

#include <map>

#include <gtest/gtest.h>

#include "storage/io/posix_disk.hpp"

namespace millrace::storage {
namespace {

/// Counts the buffers that it knows.
class CountingDisk final : public PosixDisk {
  public:
    void register_buffer(std::span<std::byte> memory) override {
        known[memory.data()] = memory.size();
    }
    void unregister_buffer(std::span<std::byte> memory) override { known.erase(memory.data()); }
    std::map<const std::byte*, std::size_t> known;
};

TEST(ReadBuffers, WhatIsGivenBackIsTakenAgain) {
    CountingDisk disk;
    {
        ReadBuffers buffers(disk);
        const std::byte* first = nullptr;
        {
            auto taken = buffers.take(ReadBuffers::read_bytes_min);
            EXPECT_EQ(taken.span().size(), ReadBuffers::read_bytes_min);
            first = taken.span().data();
            EXPECT_TRUE(disk.known.contains(first));
        }
        EXPECT_EQ(buffers.free_buffers(), 1U);
        auto again = buffers.take(ReadBuffers::buffer_bytes);
        EXPECT_EQ(again.span().data(), first);
        const auto moved = std::move(again);
        EXPECT_EQ(moved.span().data(), first);
        EXPECT_EQ(disk.known.size(), 1U);
    }
    EXPECT_TRUE(disk.known.empty());
}

TEST(ReadBuffers, AtTheLimitAndForLargeReadsMemoryIsAsAnyOther) {
    CountingDisk disk;
    ReadBuffers buffers(disk);
    std::vector<ReadBuffers::Taken> taken;
    for (std::size_t i = 0; i < ReadBuffers::buffers_max; ++i) {
        taken.push_back(buffers.take(ReadBuffers::read_bytes_min));
    }
    EXPECT_EQ(disk.known.size(), ReadBuffers::buffers_max);
    taken.push_back(buffers.take(ReadBuffers::read_bytes_min));
    EXPECT_EQ(taken.back().span().size(), ReadBuffers::read_bytes_min);
    EXPECT_FALSE(disk.known.contains(taken.back().span().data()));
    taken.clear();
    EXPECT_EQ(buffers.free_buffers(), ReadBuffers::buffers_max);
    const auto large = buffers.take(ReadBuffers::buffer_bytes + 4'096);
    EXPECT_EQ(large.span().size(), ReadBuffers::buffer_bytes + 4'096);
    EXPECT_EQ(buffers.free_buffers(), ReadBuffers::buffers_max);
    const auto small = buffers.take(ReadBuffers::read_bytes_min - 4'096);
    EXPECT_FALSE(disk.known.contains(small.span().data()));
    EXPECT_EQ(buffers.free_buffers(), ReadBuffers::buffers_max);
}

}  // namespace
}  // namespace millrace::storage
