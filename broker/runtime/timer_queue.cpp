#include "broker/runtime/timer_queue.hpp"

namespace millrace::broker {

TimerId TimerQueue::add(SteadyTime at, Task task) {
    const auto id = ++last_;
    by_time_.emplace(std::pair(at, id), std::move(task));
    time_of_.emplace(id, at);
    return id;
}

void TimerQueue::cancel(TimerId timer) {
    const auto found = time_of_.find(timer);
    if (found != time_of_.end()) {
        by_time_.erase({found->second, timer});
        time_of_.erase(found);
    }
}

std::size_t TimerQueue::run_due(SteadyTime now) {
    std::size_t count = 0;
    const auto newest = last_;
    while (!by_time_.empty()) {
        const auto first = by_time_.begin();
        if (first->first.first > now || first->first.second > newest) {
            break;
        }
        const auto task = std::move(first->second);
        time_of_.erase(first->first.second);
        by_time_.erase(first);
        task();
        ++count;
    }
    return count;
}

std::optional<SteadyTime> TimerQueue::next() const {
    return by_time_.empty() ? std::nullopt : std::optional(by_time_.begin()->first.first);
}

}  // namespace millrace::broker
