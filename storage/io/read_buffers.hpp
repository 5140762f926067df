#pragma once

#include <utility>
#include <vector>

#include "storage/base/units.hpp"
#include "storage/io/disk_buffer.hpp"

namespace millrace::storage {

/// Memory for reads that are under way: the disk prepares it once instead of at every read.
///
/// Promise:  it keeps at most `buffers_max` buffers; what it has no room for is memory like any
/// other.
/// Threads:  one. **Requires** that it outlives what was taken from it.
class ReadBuffers {
  public:
    static constexpr std::size_t buffers_max = 8;
    static constexpr std::size_t buffer_bytes = AlignedBuffer::huge_page_bytes;
    /// Less is not worth one of them.
    static constexpr std::size_t read_bytes_min = 64_KiB;

    explicit ReadBuffers(Disk& disk) : disk_(disk) {}
    ReadBuffers(const ReadBuffers&) = delete;
    ReadBuffers& operator=(const ReadBuffers&) = delete;
    ReadBuffers(ReadBuffers&&) = delete;
    ReadBuffers& operator=(ReadBuffers&&) = delete;
    ~ReadBuffers() = default;

    /// Memory for one read, until this object ends.
    class Taken {
      public:
        Taken() = default;
        Taken(const Taken&) = delete;
        Taken& operator=(const Taken&) = delete;
        Taken(Taken&& other) noexcept { swap(other); }
        Taken& operator=(Taken&& other) noexcept {
            swap(other);
            return *this;
        }
        ~Taken() {
            if (owner_ != nullptr) {
                owner_->free_.push_back(std::move(memory_));
            }
        }

        [[nodiscard]] std::span<std::byte> span() { return memory_.span().first(bytes_); }
        [[nodiscard]] std::span<const std::byte> span() const {
            return memory_.span().first(bytes_);
        }

      private:
        friend class ReadBuffers;
        void swap(Taken& other) noexcept {
            std::swap(owner_, other.owner_);
            std::swap(memory_, other.memory_);
            std::swap(bytes_, other.bytes_);
        }
        ReadBuffers* owner_ = nullptr;  ///< null: nobody wants the memory back
        DiskBuffer memory_;
        std::size_t bytes_ = 0;
    };
    /// **Requires** a multiple of the alignment.
    [[nodiscard]] Taken take(std::size_t bytes) {
        Taken taken;
        taken.bytes_ = bytes;
        if (bytes < read_bytes_min || bytes > buffer_bytes ||
            (free_.empty() && made_ == buffers_max)) {
            taken.memory_ = DiskBuffer(bytes);
            return taken;
        }
        if (free_.empty()) {
            free_.reserve(++made_);  // what comes back finds room
            taken.memory_ = DiskBuffer(disk_, buffer_bytes);
        } else {
            taken.memory_ = std::move(free_.back());
            free_.pop_back();
        }
        taken.owner_ = this;
        return taken;
    }
    /// Buffers that nobody has.
    [[nodiscard]] std::size_t free_buffers() const { return free_.size(); }

  private:
    Disk& disk_;
    std::vector<DiskBuffer> free_;
    std::size_t made_ = 0;
};

}  // namespace millrace::storage
