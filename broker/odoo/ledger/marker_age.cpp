#include "broker/odoo/ledger/marker_age.hpp"

#include <algorithm>
#include <chrono>

namespace millrace::broker::odoo {

std::optional<Duration> marker_age_max(std::uint64_t keep_days,
                                       std::span<const std::uint64_t> retentions_ms) {
    constexpr std::chrono::days margin{1};
    constexpr std::uint64_t ms_max = 1'000ULL * 365 * 86'400'000;  // a thousand years
    if (keep_days == 0) {
        return std::nullopt;
    }
    Duration age = std::chrono::days(keep_days);
    for (const auto retention_ms : retentions_ms) {
        if (retention_ms == 0 || retention_ms > ms_max) {
            return std::nullopt;
        }
        age = std::max(age, Duration(std::chrono::milliseconds(retention_ms)) + Duration(margin));
    }
    return age;
}

}  // namespace millrace::broker::odoo
