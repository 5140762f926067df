#include "broker/protocol/fetch_waiters.hpp"

namespace millrace::broker::protocol {

FetchWaiters::FetchWaiters(Shard& shard) {
    shard.on_advance([this](PartitionId partition, Offset) { tell(partition); });
}

void FetchWaiters::tell(PartitionId partition) {
    const auto told = waiting_.extract(partition);
    if (told.empty()) {
        return;
    }
    for (const auto& weak : told.mapped()) {
        if (const auto waiter = weak.lock()) {
            waiter->on_grown();
        }
    }
}

}  // namespace millrace::broker::protocol
