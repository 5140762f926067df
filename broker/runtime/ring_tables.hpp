#pragma once

#include <span>
#include <utility>
#include <vector>

#include <liburing.h>

namespace millrace::broker {

/// What the kernel keeps at hand for one ring: open files, so that an operation takes no reference,
/// and pinned memory, so that reads and writes do not look up its pages.
///
/// Promise:  where a table is full or the kernel refuses it, operations work without; that costs
/// speed only. Threads:  the ring's owner.
class RingTables {
  public:
    explicit RingTables(io_uring& ring);
    RingTables(const RingTables&) = delete;
    RingTables& operator=(const RingTables&) = delete;
    RingTables(RingTables&&) = delete;
    RingTables& operator=(RingTables&&) = delete;
    ~RingTables() = default;

    static constexpr int none = -1;

    /// A slot for an open file, or `none`.
    [[nodiscard]] int add_file(int descriptor);
    void remove_file(int slot);

    /// Pins memory; reads into it and writes from it find it by themselves.
    void add_buffer(std::span<std::byte> memory);
    void remove_buffer(std::span<std::byte> memory);
    /// The slot of the buffer that holds all of `bytes`, or `none`.
    [[nodiscard]] int buffer_of(std::span<const std::byte> bytes) const;

  private:
    struct Buffer {
        const std::byte* begin = nullptr;
        const std::byte* end = nullptr;
    };
    [[nodiscard]] bool update_buffer(std::size_t slot, std::span<std::byte> memory);

    io_uring& ring_;
    std::vector<int> free_files_;
    std::vector<Buffer> buffers_;  ///< by slot; an empty one is free
};

/// One open file in the ring's table, until `release` or the end of this object.
class RingFile {
  public:
    RingFile(RingTables& tables, int descriptor)
        : tables_(tables), slot_(tables.add_file(descriptor)) {}
    RingFile(const RingFile&) = delete;
    RingFile& operator=(const RingFile&) = delete;
    RingFile(RingFile&&) = delete;
    RingFile& operator=(RingFile&&) = delete;
    ~RingFile() { release(); }

    /// After this the object touches the ring no more.
    void release() {
        if (slot_ != RingTables::none) {
            tables_.remove_file(std::exchange(slot_, RingTables::none));
        }
    }

    /// Lets a prepared operation go through the table.
    void apply(io_uring_sqe& entry) const {
        if (slot_ != RingTables::none) {
            entry.fd = slot_;
            entry.flags |= IOSQE_FIXED_FILE;
        }
    }

  private:
    RingTables& tables_;
    int slot_;
};

}  // namespace millrace::broker
