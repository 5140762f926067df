#include "broker/runtime/mailbox.hpp"

#include <utility>

namespace millrace::broker {

bool Mailbox::push(Task& task) {
    const auto written = written_.load(std::memory_order_relaxed);
    if (written - taken_.load(std::memory_order_acquire) == capacity) {
        return false;
    }
    slots_[written % capacity] = std::move(task);
    written_.store(written + 1, std::memory_order_release);
    return true;
}

std::size_t Mailbox::run_all() {
    const auto begin = taken_.load(std::memory_order_relaxed);
    const auto end = written_.load(std::memory_order_acquire);
    for (auto at = begin; at != end; ++at) {
        const auto task = std::exchange(slots_[at % capacity], nullptr);
        taken_.store(at + 1, std::memory_order_release);
        task();
    }
    return end - begin;
}

ShardMesh::ShardMesh(std::uint32_t shard_count, MetricsRegistry& metrics)
    : shard_count_(shard_count),
      doors_(shard_count),
      waiting_(metrics.gauge("millrace_mailbox_waiting",
                             "Messages between shards that wait because a mailbox is full.")) {
    for (std::uint32_t i = 0; i < shard_count * shard_count; ++i) {
        lanes_.push_back(std::make_unique<Lane>());
    }
}

void ShardMesh::attach(ShardId shard, Door door) {
    const std::lock_guard lock(doors_mutex_);
    doors_[shard.value] = door;
}

ShardMesh::Door ShardMesh::door(ShardId shard) const {
    const std::lock_guard lock(doors_mutex_);
    return doors_[shard.value];
}

void ShardMesh::post(ShardId from, ShardId to, Task task) {
    auto& found = lane(from, to);
    found.is_new = true;
    if (!found.waiting.empty() || !found.mailbox.push(task)) {
        found.waiting.push_back(std::move(task));
        waiting_.add(1);
    }
}

std::vector<ShardId> ShardMesh::flush(ShardId from) {
    std::vector<ShardId> fresh;
    for (ShardId to{0}; to.value < shard_count_; ++to) {
        auto& found = lane(from, to);
        while (!found.waiting.empty() && found.mailbox.push(found.waiting.front())) {
            found.waiting.pop_front();
            found.is_new = true;
            waiting_.add(-1);
        }
        if (std::exchange(found.is_new, false)) {
            fresh.push_back(to);
        }
    }
    return fresh;
}

std::size_t ShardMesh::run_all(ShardId to) {
    std::size_t count = 0;
    for (ShardId from{0}; from.value < shard_count_; ++from) {
        count += lane(from, to).mailbox.run_all();
    }
    return count;
}

bool ShardMesh::has_waiting(ShardId from) const {
    for (ShardId to{0}; to.value < shard_count_; ++to) {
        if (!lane(from, to).waiting.empty()) {
            return true;
        }
    }
    return false;
}

}  // namespace millrace::broker
