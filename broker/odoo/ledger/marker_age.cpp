#include "broker/odoo/ledger/marker_age.hpp"

#include <algorithm>
#include <chrono>

namespace millrace::broker::odoo {

std::optional<Duration> marker_age_max(std::uint64_t keep_days, const MarkerUse& use) {
    constexpr std::chrono::days margin{1};
    constexpr std::uint64_t ms_max = 1'000ULL * 365 * 86'400'000;  // a thousand years
    if (keep_days == 0) {
        return std::nullopt;
    }
    std::uint64_t longest_ms = 0;
    for (const auto retention_ms : use.retentions_ms) {
        if (retention_ms == 0 || retention_ms > ms_max) {
            return std::nullopt;
        }
        longest_ms = std::max(longest_ms, retention_ms);
    }
    longest_ms += std::min(use.replay_retention_ms, ms_max);
    const Duration wanted =
        Duration(std::chrono::milliseconds(longest_ms)) + use.oldest_letter + Duration(margin);
    return std::max(Duration(std::chrono::days(keep_days)), wanted);
}

}  // namespace millrace::broker::odoo
