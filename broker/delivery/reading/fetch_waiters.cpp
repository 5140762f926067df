#include "broker/delivery/reading/fetch_waiters.hpp"

namespace millrace::broker::delivery {

FetchWaiters::FetchWaiters(Shard& shard) {
    shard.on_advance([this](PartitionId partition, Offset) { tell(partition); });
}

void FetchWaiters::wait(PartitionId partition, const std::weak_ptr<Waiter>& waiter) {
    auto& waiting = waiting_[partition];
    // A partition that does not grow tells nobody, and those that gave up would gather.
    if (waiting.waiters.size() >= waiting.sweep_at) {
        std::erase_if(waiting.waiters, [](const auto& one) { return one.expired(); });
        waiting.sweep_at = 2 * waiting.waiters.size() + 64;
    }
    waiting.waiters.push_back(waiter);
}

void FetchWaiters::tell(PartitionId partition) {
    const auto told = waiting_.extract(partition);
    if (told.empty()) {
        return;
    }
    for (const auto& weak : told.mapped().waiters) {
        if (const auto waiter = weak.lock()) {
            waiter->on_grown(partition);
        }
    }
}

std::size_t FetchWaiters::waiting(PartitionId partition) const {
    const auto found = waiting_.find(partition);
    return found == waiting_.end() ? 0 : found->second.waiters.size();
}

}  // namespace millrace::broker::delivery
