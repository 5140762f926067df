#include "broker/runtime/ring_tables.hpp"

#include <algorithm>

#include <sys/resource.h>

namespace millrace::broker {
namespace {

constexpr rlim_t files_max = 16'384;
constexpr unsigned buffers_max = 64;

}  // namespace

RingTables::RingTables(io_uring& ring) : ring_(ring) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const auto files = static_cast<unsigned>(std::min(limit.rlim_cur, files_max));
    if (io_uring_register_files_sparse(&ring_, files) == 0) {
        for (auto slot = static_cast<int>(files) - 1; slot >= 0; --slot) {
            free_files_.push_back(slot);
        }
    }
    if (io_uring_register_buffers_sparse(&ring_, buffers_max) == 0) {
        buffers_.resize(buffers_max);
    }
}

int RingTables::add_file(int descriptor) {
    if (free_files_.empty()) {
        return none;
    }
    const int slot = free_files_.back();
    if (io_uring_register_files_update(&ring_, static_cast<unsigned>(slot), &descriptor, 1) != 1) {
        return none;
    }
    free_files_.pop_back();
    return slot;
}

void RingTables::remove_file(int slot) {
    const int empty = -1;
    if (io_uring_register_files_update(&ring_, static_cast<unsigned>(slot), &empty, 1) == 1) {
        free_files_.push_back(slot);
    }
}

bool RingTables::update_buffer(std::size_t slot, std::span<std::byte> memory) {
    const iovec part{.iov_base = memory.data(), .iov_len = memory.size()};
    const __u64 tag = 0;
    return io_uring_register_buffers_update_tag(
               &ring_, static_cast<unsigned>(slot), &part, &tag, 1) == 1;
}

void RingTables::add_buffer(std::span<std::byte> memory) {
    const auto free = std::ranges::find(buffers_, nullptr, &Buffer::begin);
    if (free == buffers_.end()) {
        return;
    }
    // The kernel refuses where the process may not lock so much memory.
    if (update_buffer(static_cast<std::size_t>(free - buffers_.begin()), memory)) {
        *free = {.begin = memory.data(), .end = memory.data() + memory.size()};
    }
}

void RingTables::remove_buffer(std::span<std::byte> memory) {
    const auto* const begin = memory.data();
    const auto found = std::ranges::find(buffers_, begin, &Buffer::begin);
    if (begin != nullptr && found != buffers_.end() &&
        update_buffer(static_cast<std::size_t>(found - buffers_.begin()), {})) {
        *found = {};
    }
}

int RingTables::buffer_of(std::span<const std::byte> bytes) const {
    const auto* const begin = bytes.data();
    const auto* const end = begin + bytes.size();
    const auto found = std::ranges::find_if(buffers_, [&](const Buffer& buffer) {
        return buffer.begin != nullptr && buffer.begin <= begin && end <= buffer.end;
    });
    return found == buffers_.end() ? none : static_cast<int>(found - buffers_.begin());
}

}  // namespace millrace::broker
