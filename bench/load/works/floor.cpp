#include <algorithm>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <system_error>

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "bench/load/works/workloads.hpp"

namespace millrace::bench {
namespace {

constexpr std::size_t file_bytes = 128U << 20U;
constexpr std::size_t alignment = 4096;

struct FreeDeleter {
    void operator()(std::byte* memory) const { std::free(memory); }  // NOLINT: from aligned_alloc
};
using AlignedBuffer =
    std::unique_ptr<std::byte[], FreeDeleter>;  // NOLINT: array from aligned_alloc

AlignedBuffer make_buffer(std::size_t bytes) {
    AlignedBuffer buffer(static_cast<std::byte*>(std::aligned_alloc(alignment, bytes)));
    std::fill_n(buffer.get(), bytes, std::byte{0x5a});
    return buffer;
}

/// A file that is gone when the object is.
class TemporaryFile {
  public:
    explicit TemporaryFile(const std::string& directory) : path_(directory + "/floor.bin") {
        descriptor_ =
            ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
        if (descriptor_ < 0) {
            throw std::system_error(errno, std::generic_category(), "cannot open " + path_);
        }
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    TemporaryFile(TemporaryFile&&) = delete;
    TemporaryFile& operator=(TemporaryFile&&) = delete;
    ~TemporaryFile() {
        ::close(descriptor_);
        ::unlink(path_.c_str());
    }

    void write(const AlignedBuffer& buffer,
               std::size_t bytes,
               std::size_t position,
               int flags) const {
        const iovec part{.iov_base = buffer.get(), .iov_len = bytes};
        if (::pwritev2(descriptor_, &part, 1, static_cast<off_t>(position), flags) !=
            static_cast<ssize_t>(bytes)) {
            throw std::system_error(errno, std::generic_category(), "cannot write " + path_);
        }
    }
    void sync() const { ::fdatasync(descriptor_); }

  private:
    std::string path_;
    int descriptor_ = -1;
};

FloorFigures measure(const TemporaryFile& file,
                     std::size_t bytes,
                     std::chrono::milliseconds duration) {
    using Clock = std::chrono::steady_clock;
    const auto buffer = make_buffer(bytes);
    LatencyHistogram latency;
    const auto begin = Clock::now();
    std::size_t position = 0;
    auto now = begin;
    while (now - begin < duration) {
        file.write(buffer, bytes, position, RWF_DSYNC);
        const auto end = Clock::now();
        latency.add(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(end - now).count()));
        now = end;
        position = (position + bytes) % file_bytes;
    }
    const std::chrono::duration<double> elapsed = now - begin;
    return {.write_bytes = bytes,
            .writes_per_second = static_cast<double>(latency.count()) / elapsed.count(),
            .p50_us = latency.percentile(0.5),
            .p99_us = latency.percentile(0.99)};
}

}  // namespace

std::vector<FloorFigures> run_floor(const std::string& directory,
                                    const std::vector<std::size_t>& write_bytes,
                                    std::chrono::milliseconds duration) {
    const TemporaryFile file(directory);
    const std::size_t block = 1U << 20U;
    const auto zeros = make_buffer(block);
    for (std::size_t position = 0; position < file_bytes; position += block) {
        file.write(zeros, block, position, 0);
    }
    file.sync();
    std::vector<FloorFigures> figures;
    figures.reserve(write_bytes.size());
    for (const auto bytes : write_bytes) {
        figures.push_back(measure(file, bytes, duration));
    }
    return figures;
}

}  // namespace millrace::bench
