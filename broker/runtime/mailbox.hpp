#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "broker/runtime/runtime.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker {

/// A bounded ring from one thread to another. Each side's counter has a cache line of its own.
class Mailbox {  // NOLINT(clang-analyzer-optin.performance.Padding): on purpose
  public:
    static constexpr std::size_t capacity = 1024;

    /// False when it is full. The sender's thread.
    [[nodiscard]] bool push(Task& task);
    /// Runs what is there, at most what was there at the call; returns how many. The receiver's
    /// thread.
    std::size_t run_all();

  private:
    std::vector<Task> slots_{capacity};
    alignas(64) std::atomic<std::size_t> written_{0};
    alignas(64) std::atomic<std::size_t> taken_{0};
};

/// All mailboxes of a node: one per ordered pair of shards.
///
/// Threads:  `attach` before any runtime runs, or with its own lock; the rest as said at each.
class ShardMesh {
  public:
    ShardMesh(std::uint32_t shard_count, MetricsRegistry& metrics);

    [[nodiscard]] std::uint32_t shard_count() const { return shard_count_; }
    /// Where to knock: the ring and the operation that answers.
    struct Door {
        int ring = -1;
        void* operation = nullptr;
    };
    void attach(ShardId shard, Door door);
    [[nodiscard]] Door door(ShardId shard) const;

    /// From `from`'s thread. What does not fit waits and goes with `flush`.
    void post(ShardId from, ShardId to, Task task);
    /// Moves what waited; returns the shards that have something new since the last call.
    [[nodiscard]] std::vector<ShardId> flush(ShardId from);
    /// On `to`'s thread.
    std::size_t run_all(ShardId to);
    [[nodiscard]] bool has_waiting(ShardId from) const;

  private:
    struct Lane {
        Mailbox mailbox;
        std::deque<Task> waiting;  ///< the sender's
        bool is_new = false;       ///< the sender's
    };
    [[nodiscard]] Lane& lane(ShardId from, ShardId to) const {
        return *lanes_[from.value * shard_count_ + to.value];
    }

    std::uint32_t shard_count_;
    std::vector<std::unique_ptr<Lane>> lanes_;
    mutable std::mutex doors_mutex_;
    std::vector<Door> doors_;
    Gauge& waiting_;
};

}  // namespace millrace::broker
