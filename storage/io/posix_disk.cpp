#include "storage/io/posix_disk.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

namespace millrace::storage {
namespace {

Error failed(const char* verb, const std::string& path, int code) {
    const auto errc = code == ENOSPC   ? Errc::out_of_space
                      : code == ENOENT ? Errc::not_found
                                       : Errc::io;
    return fail(
        errc,
        std::string("cannot ") + verb + " " + path + ": " + std::generic_category().message(code),
        code);
}

int flags_of(OpenMode mode) {
    switch (mode) {
        case OpenMode::read:
            return O_RDONLY;
        case OpenMode::read_write:
            return O_RDWR;
        case OpenMode::create:
            return O_RDWR | O_CREAT | O_TRUNC;
        case OpenMode::direct_write:
            return O_RDWR | O_DIRECT;
    }
    return O_RDONLY;
}

/// Runs its operations when the disk's completions are asked for.
class QueuedFile final : public PosixFile {
  public:
    QueuedFile(PosixDisk& disk, int descriptor, const std::string& path)
        : PosixFile(descriptor, path), disk_(disk) {}

    void write_durable(Position at, std::span<const std::byte> bytes, DiskDone done) override {
        disk_.enqueue([this, at, bytes, done = std::move(done)] {
            const iovec part{.iov_base = const_cast<std::byte*>(bytes.data()),
                             .iov_len = bytes.size()};
            const auto written =
                ::pwritev2(descriptor(), &part, 1, static_cast<off_t>(at.value), RWF_DSYNC);
            done(written < 0 ? -errno : static_cast<std::int32_t>(written));
        });
    }
    void read(Position at, std::span<std::byte> out, DiskDone done) override {
        disk_.enqueue([this, at, out, done = std::move(done)] {
            const auto taken =
                ::pread(descriptor(), out.data(), out.size(), static_cast<off_t>(at.value));
            done(taken < 0 ? -errno : static_cast<std::int32_t>(taken));
        });
    }

  private:
    PosixDisk& disk_;
};

}  // namespace

PosixFile::~PosixFile() {
    ::close(descriptor_);
}

Result<std::size_t> PosixFile::read_now(Position at, std::span<std::byte> out) {
    std::size_t total = 0;
    while (total < out.size()) {
        const auto taken = ::pread(
            descriptor_, &out[total], out.size() - total, static_cast<off_t>(at.value + total));
        if (taken < 0 && errno == EINTR) {
            continue;
        }
        if (taken < 0) {
            return failed("read", path_, errno);
        }
        if (taken == 0) {
            break;
        }
        total += static_cast<std::size_t>(taken);
    }
    return total;
}

Result<void> PosixFile::write_now(Position at, std::span<const std::byte> bytes) {
    std::size_t total = 0;
    while (total < bytes.size()) {
        const auto written = ::pwrite(
            descriptor_, &bytes[total], bytes.size() - total, static_cast<off_t>(at.value + total));
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return failed("write", path_, written < 0 ? errno : EIO);
        }
        total += static_cast<std::size_t>(written);
    }
    return ok();
}

Result<void> PosixFile::sync_now() {
    if (::fdatasync(descriptor_) != 0) {
        return failed("sync", path_, errno);
    }
    return ok();
}

Result<std::uint64_t> PosixFile::size_bytes() {
    struct stat status {};
    if (::fstat(descriptor_, &status) != 0) {
        return failed("stat", path_, errno);
    }
    return static_cast<std::uint64_t>(status.st_size);
}

Result<int> PosixDisk::open_descriptor(const std::string& path, OpenMode mode) {
    int descriptor = ::open(path.c_str(), flags_of(mode) | O_CLOEXEC, 0640);
    if (descriptor < 0 && errno == EINVAL && mode == OpenMode::direct_write) {
        // tmpfs and some overlays refuse O_DIRECT; RWF_DSYNC alone keeps the promise there.
        descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    }
    if (descriptor < 0) {
        return failed("open", path, errno);
    }
    return descriptor;
}

Result<std::unique_ptr<File>> PosixDisk::open(const std::string& path, OpenMode mode) {
    MILLRACE_TRY(const int descriptor, open_descriptor(path, mode));
    return std::unique_ptr<File>(std::make_unique<QueuedFile>(*this, descriptor, path));
}

Result<void> PosixDisk::make_directories(const std::string& path) {
    std::error_code code;
    std::filesystem::create_directories(path, code);
    if (code) {
        return failed("create", path, code.value());
    }
    return ok();
}

Result<std::vector<std::string>> PosixDisk::list(const std::string& directory) {
    std::error_code code;
    std::vector<std::string> names;
    for (std::filesystem::directory_iterator at(directory, code), end; !code && at != end;
         at.increment(code)) {
        names.push_back(at->path().filename().string());
    }
    if (code) {
        return failed("list", directory, code.value());
    }
    std::ranges::sort(names);
    return names;
}

Result<void> PosixDisk::rename(const std::string& from, const std::string& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) {
        return failed("rename", from, errno);
    }
    return ok();
}

Result<void> PosixDisk::remove(const std::string& path) {
    if (::unlink(path.c_str()) != 0) {
        return failed("remove", path, errno);
    }
    return ok();
}

Result<void> PosixDisk::remove_directory(const std::string& path) {
    std::error_code code;
    std::filesystem::remove_all(path, code);
    if (code) {
        return failed("remove", path, code.value());
    }
    return ok();
}

Result<bool> PosixDisk::exists(const std::string& path) {
    std::error_code code;
    const bool is_there = std::filesystem::exists(path, code);
    if (code) {
        return failed("look for", path, code.value());
    }
    return is_there;
}

Result<void> PosixDisk::truncate(const std::string& path, std::uint64_t bytes) {
    if (::truncate(path.c_str(), static_cast<off_t>(bytes)) != 0) {
        return failed("cut off", path, errno);
    }
    return ok();
}

Result<void> PosixDisk::sync_directory(const std::string& directory) {
    const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) {
        return failed("open", directory, errno);
    }
    const int result = ::fsync(descriptor);
    const int code = errno;
    ::close(descriptor);
    if (result != 0) {
        return failed("sync", directory, code);
    }
    return ok();
}

Result<std::uint64_t> PosixDisk::free_bytes(const std::string& path) {
    struct statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0) {
        return failed("stat", path, errno);
    }
    return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

std::size_t PosixDisk::run_completions() {
    std::size_t count = 0;
    while (!operations_.empty()) {
        const auto operation = std::move(operations_.front());
        operations_.pop_front();
        operation();
        ++count;
    }
    return count;
}

void PosixDisk::drain() {
    while (run_completions() > 0) {
    }
}

}  // namespace millrace::storage
