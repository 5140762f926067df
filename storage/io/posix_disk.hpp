#pragma once

#include <deque>
#include <string>

#include "storage/io/disk.hpp"

namespace millrace::storage {

/// A file by plain system calls; the asynchronous forms are left to the disk that owns it.
class PosixFile : public File {
  public:
    PosixFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
    PosixFile(const PosixFile&) = delete;
    PosixFile& operator=(const PosixFile&) = delete;
    PosixFile(PosixFile&&) = delete;
    PosixFile& operator=(PosixFile&&) = delete;
    ~PosixFile() override;

    [[nodiscard]] Result<std::size_t> read_now(Position at, std::span<std::byte> out) override;
    [[nodiscard]] Result<void> write_now(Position at, std::span<const std::byte> bytes) override;
    [[nodiscard]] Result<void> sync_now() override;
    [[nodiscard]] Result<std::uint64_t> size_bytes() override;

  protected:
    [[nodiscard]] int descriptor() const { return descriptor_; }

  private:
    int descriptor_;
    std::string path_;
};

/// The path operations by plain system calls; asynchronous operations run when completions are
/// asked for. For tests and tools; the daemon's disk derives from it and puts io_uring under the
/// files.
class PosixDisk : public Disk {
  public:
    [[nodiscard]] Result<std::unique_ptr<File>> open(const std::string& path,
                                                     OpenMode mode) override;
    [[nodiscard]] Result<void> make_directories(const std::string& path) override;
    [[nodiscard]] Result<std::vector<std::string>> list(const std::string& directory) override;
    [[nodiscard]] Result<void> rename(const std::string& from, const std::string& to) override;
    [[nodiscard]] Result<void> remove(const std::string& path) override;
    [[nodiscard]] Result<void> truncate(const std::string& path, std::uint64_t bytes) override;
    [[nodiscard]] Result<void> remove_directory(const std::string& path) override;
    [[nodiscard]] Result<bool> exists(const std::string& path) override;
    [[nodiscard]] Result<void> sync_directory(const std::string& directory) override;
    [[nodiscard]] Result<std::uint64_t> free_bytes(const std::string& path) override;
    std::size_t run_completions() override;
    void drain() override;

    /// Used by this disk's files.
    void enqueue(std::function<void()> operation) { operations_.push_back(std::move(operation)); }

  protected:
    [[nodiscard]] static Result<int> open_descriptor(const std::string& path, OpenMode mode);

  private:
    std::deque<std::function<void()>> operations_;
};

}  // namespace millrace::storage
