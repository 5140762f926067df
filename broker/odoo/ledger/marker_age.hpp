#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "storage/base/clock.hpp"

namespace millrace::broker::odoo {

/// How long markers must stay so that no replay can find them gone: `keep_days` at least, and a
/// day longer than the longest retention of the topics that are fed (milliseconds; 0 is for ever).
/// Nothing: they stay for ever, as they do for `keep_days` of 0.
[[nodiscard]] std::optional<Duration> marker_age_max(std::uint64_t keep_days,
                                                     std::span<const std::uint64_t> retentions_ms);

}  // namespace millrace::broker::odoo
