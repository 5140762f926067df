#include "broker/delivery/progress/settled_runs.hpp"

#include <algorithm>

namespace millrace::broker::delivery {

void SettledRuns::add(Offset first, std::uint64_t count) {
    if (!runs_.empty() && runs_.back().first + runs_.back().second == first) {
        runs_.back().second += count;
    } else if (count > 0) {
        runs_.emplace_back(first, count);
    }
}

std::vector<SettledRuns::Run> SettledRuns::take() {
    auto sorted = std::exchange(runs_, {});
    std::ranges::sort(sorted);
    std::vector<Run> merged;
    for (const auto& [first, count] : sorted) {
        // What retention took may overlap with what was settled one by one.
        const auto end = merged.empty() ? Offset{0} : merged.back().first + merged.back().second;
        if (!merged.empty() && first <= end) {
            const auto new_end = std::max(end, first + count);
            merged.back().second = new_end.value - merged.back().first.value;
        } else {
            merged.emplace_back(first, count);
        }
    }
    return merged;
}

}  // namespace millrace::broker::delivery
