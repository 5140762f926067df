#include "broker/delivery/progress/failed_attempts.hpp"

#include <utility>

namespace millrace::broker::delivery {

void note_failure(std::vector<FailedAttempts>& reasons, FailedAttempts failed) {
    if (!reasons.empty() && reasons.back().cause == failed.cause &&
        reasons.back().error == failed.error) {
        reasons.back().last_us = failed.last_us;
        reasons.back().count += failed.count;
        return;
    }
    if (reasons.size() == failed_reasons_max) {
        reasons.erase(reasons.begin());
    }
    reasons.push_back(std::move(failed));
}

std::string describe(const FailedAttempts& failed) {
    const auto times = failed.count == 1 ? "" : std::to_string(failed.count) + " times ";
    return times + std::string(name_of(failed.cause)) + ": " + failed.error;
}

}  // namespace millrace::broker::delivery
