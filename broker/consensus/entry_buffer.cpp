#include "broker/consensus/entry_buffer.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "storage/base/assert.hpp"

extern "C" {
#include <raft.h>
}

namespace millrace::broker::consensus {
namespace {

constexpr std::size_t capacity_min = 4096;

}  // namespace

EntryBuffer::EntryBuffer(EntryBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      capacity_(std::exchange(other.capacity_, 0)) {}

EntryBuffer& EntryBuffer::operator=(EntryBuffer&& other) noexcept {
    if (this != &other) {
        raft_free(data_);
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
        capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
}

EntryBuffer::~EntryBuffer() {
    raft_free(data_);
}

std::span<std::byte> EntryBuffer::extend(std::size_t bytes) {
    const auto needed = sizeof(Prefix) + size_ + bytes;
    if (needed > capacity_) {
        capacity_ = std::max({capacity_min, needed, capacity_ * 2});
        data_ = static_cast<std::byte*>(raft_realloc(data_, capacity_));
        if (data_ == nullptr) {
            throw std::bad_alloc();
        }
    }
    const std::span room(data_ + sizeof(Prefix) + size_, bytes);
    size_ += bytes;
    return room;
}

std::span<const std::byte> EntryBuffer::payload() const {
    return is_empty() ? std::span<const std::byte>{}
                      : std::span<const std::byte>(data_ + sizeof(Prefix), size_);
}

void EntryBuffer::set_prefix(const Prefix& prefix) {
    if (data_ == nullptr) {
        (void)extend(0);
    }
    MILLRACE_ASSERT(data_ != nullptr);
    std::memcpy(data_, &prefix, sizeof(prefix));
}

std::byte* EntryBuffer::release() {
    size_ = 0;
    capacity_ = 0;
    return std::exchange(data_, nullptr);
}

}  // namespace millrace::broker::consensus
