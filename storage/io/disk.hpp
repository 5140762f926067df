#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::storage {

/// Bytes moved, or a negative errno. Runs exactly once, on the thread that runs the disk's
/// completions.
using DiskDone = std::function<void(std::int32_t bytes_or_errno)>;

enum class OpenMode : std::uint8_t {
    read,         ///< existing file, buffered; for scans
    read_write,   ///< existing file
    create,       ///< made or emptied
    direct_write  ///< existing file, O_DIRECT: every position, length and address is a multiple of
                  ///< 4096
};

/// One open file.
///
/// Promise:  an operation owns its span from the call to its completion. Closing with operations
/// outstanding is a
///           broken program.
/// Threads:  `*_now` any thread, one at a time; the others only the thread that runs the disk's
/// completions.
class File {
  public:
    File() = default;
    File(const File&) = delete;
    File& operator=(const File&) = delete;
    File(File&&) = delete;
    File& operator=(File&&) = delete;
    virtual ~File() = default;

    /// Writes and makes durable; completion means the bytes survive a power loss. Several may be
    /// outstanding and complete in any order. A failed one leaves the range unknown.
    virtual void write_durable(Position at, std::span<const std::byte> bytes, DiskDone done) = 0;
    /// Reads up to `out.size()`; fewer only at the end of the file.
    virtual void read(Position at, std::span<std::byte> out, DiskDone done) = 0;

    /// Blocking forms, for start-up and background threads.
    [[nodiscard]] virtual Result<std::size_t> read_now(Position at, std::span<std::byte> out) = 0;
    /// Not durable before `sync_now`.
    [[nodiscard]] virtual Result<void> write_now(Position at, std::span<const std::byte> bytes) = 0;
    [[nodiscard]] virtual Result<void> sync_now() = 0;
    [[nodiscard]] virtual Result<std::uint64_t> size_bytes() = 0;
};

/// The only way to a file system, so that tests can put a disk under the log that tears, loses,
/// flips and refuses.
///
/// Place:    below the log; implemented by io_uring in broker/runtime, by plain calls in PosixDisk,
/// by SimDisk for tests. Threads:  path operations any thread; `run_completions` and `drain` the
/// owner's.
class Disk {
  public:
    Disk() = default;
    Disk(const Disk&) = delete;
    Disk& operator=(const Disk&) = delete;
    Disk(Disk&&) = delete;
    Disk& operator=(Disk&&) = delete;
    virtual ~Disk() = default;

    [[nodiscard]] virtual Result<std::unique_ptr<File>> open(const std::string& path,
                                                             OpenMode mode) = 0;
    [[nodiscard]] virtual Result<void> make_directories(const std::string& path) = 0;
    /// File names (not paths) in a directory, sorted.
    [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;
    /// A file, in place of one that is there; or a directory with all that is in it, where none is.
    [[nodiscard]] virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
    [[nodiscard]] virtual Result<void> remove(const std::string& path) = 0;
    /// Cuts a file off behind its first `bytes`. **Requires** that it has more.
    [[nodiscard]] virtual Result<void> truncate(const std::string& path, std::uint64_t bytes) = 0;
    /// With all that is in it; nothing is done where there is none. A crash leaves any part of it.
    [[nodiscard]] virtual Result<void> remove_directory(const std::string& path) = 0;
    /// Whether a file or a directory is there. One that is empty may not count.
    [[nodiscard]] virtual Result<bool> exists(const std::string& path) = 0;
    /// Makes the names in a directory durable.
    [[nodiscard]] virtual Result<void> sync_directory(const std::string& directory) = 0;
    /// Space that this process may still use on the file system of `path`.
    [[nodiscard]] virtual Result<std::uint64_t> free_bytes(const std::string& path) = 0;

    /// A disk that is faster with memory it knows may prepare it. Until `unregister_buffer`.
    virtual void register_buffer(std::span<std::byte> /*memory*/) {}
    virtual void unregister_buffer(std::span<std::byte> /*memory*/) {}

    /// Runs what has completed; returns how many completions ran. The reactor's disk does this in
    /// its turn instead.
    virtual std::size_t run_completions() = 0;
    /// Waits until no asynchronous operation is outstanding and has run every completion.
    virtual void drain() = 0;
};

}  // namespace millrace::storage
