#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

/// Fetches of one shard that wait for a partition to grow.
///
/// Threads:  the shard's.
class FetchWaiters {
  public:
    explicit FetchWaiters(Shard& shard);
    FetchWaiters(const FetchWaiters&) = delete;
    FetchWaiters& operator=(const FetchWaiters&) = delete;
    FetchWaiters(FetchWaiters&&) = delete;
    FetchWaiters& operator=(FetchWaiters&&) = delete;
    ~FetchWaiters() = default;

    /// Who wants to know; forgotten once it is gone or was told.
    class Waiter {
      public:
        Waiter() = default;
        Waiter(const Waiter&) = delete;
        Waiter& operator=(const Waiter&) = delete;
        Waiter(Waiter&&) = delete;
        Waiter& operator=(Waiter&&) = delete;
        virtual ~Waiter() = default;
        virtual void on_grown(PartitionId partition) = 0;
    };
    /// Until it is told of this partition: asking again before that would add it once more.
    void wait(PartitionId partition, const std::weak_ptr<Waiter>& waiter);
    /// Of a partition, those that are gone and not noticed yet among them.
    [[nodiscard]] std::size_t waiting(PartitionId partition) const;

  private:
    void tell(PartitionId partition);

    struct Waiting {
        std::vector<std::weak_ptr<Waiter>> waiters;
        std::size_t sweep_at = 64;
    };
    std::unordered_map<PartitionId, Waiting> waiting_;
};

}  // namespace millrace::broker::delivery
