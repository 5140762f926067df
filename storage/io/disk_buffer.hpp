#pragma once

#include <utility>

#include "storage/io/aligned_buffer.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// Memory for many reads or writes: the disk may prepare it once instead of at each of them. Give
/// it back only when nothing of it is under way.
class DiskBuffer {
  public:
    DiskBuffer() = default;
    /// That no disk knows.
    explicit DiskBuffer(std::size_t bytes) : memory_(bytes) {}
    DiskBuffer(Disk& disk, std::size_t bytes) : disk_(&disk), memory_(bytes) {
        disk.register_buffer(memory_.span());
    }
    DiskBuffer(const DiskBuffer&) = delete;
    DiskBuffer& operator=(const DiskBuffer&) = delete;
    DiskBuffer(DiskBuffer&& other) noexcept
        : disk_(std::exchange(other.disk_, nullptr)), memory_(std::move(other.memory_)) {}
    DiskBuffer& operator=(DiskBuffer&& other) noexcept {
        std::swap(disk_, other.disk_);
        std::swap(memory_, other.memory_);
        return *this;
    }
    ~DiskBuffer() {
        if (disk_ != nullptr) {
            disk_->unregister_buffer(memory_.span());
        }
    }

    [[nodiscard]] std::span<std::byte> span() { return memory_.span(); }
    [[nodiscard]] std::span<const std::byte> span() const { return memory_.span(); }
    [[nodiscard]] std::size_t size() const { return memory_.size(); }

  private:
    Disk* disk_ = nullptr;
    AlignedBuffer memory_;
};

}  // namespace millrace::storage
