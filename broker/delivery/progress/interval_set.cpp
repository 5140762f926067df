#include "broker/delivery/progress/interval_set.hpp"

#include <algorithm>
#include <iterator>

namespace millrace::broker::delivery {

void IntervalSet::add(Offset first, std::uint64_t count) {
    auto end = first + count;
    first = std::max(first, floor_);
    if (first >= end) {
        return;
    }
    auto at = ranges_.upper_bound(first);
    if (at != ranges_.begin() && std::prev(at)->second >= first) {
        --at;
        first = at->first;
    }
    while (at != ranges_.end() && at->first <= end) {
        end = std::max(end, at->second);
        above_floor_ -= at->second.value - at->first.value;
        at = ranges_.erase(at);
    }
    ranges_.emplace(first, end);
    above_floor_ += end.value - first.value;
    raise_floor();
}

void IntervalSet::raise_floor() {
    while (!ranges_.empty() && ranges_.begin()->first <= floor_) {
        floor_ = std::max(floor_, ranges_.begin()->second);
        above_floor_ -= ranges_.begin()->second.value - ranges_.begin()->first.value;
        ranges_.erase(ranges_.begin());
    }
}

bool IntervalSet::contains(Offset offset) const {
    if (offset < floor_) {
        return true;
    }
    const auto at = ranges_.upper_bound(offset);
    return at != ranges_.begin() && std::prev(at)->second > offset;
}

}  // namespace millrace::broker::delivery
