#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/base/clock.hpp"

namespace millrace::broker::odoo {

/// What may bring an event again that has its markers.
struct MarkerUse {
    std::vector<std::uint64_t> retentions_ms;  ///< of the topics that are fed; 0: for ever
    Duration oldest_letter{0};                 ///< of the oldest that is open or redriven; 0: none
};

/// How long markers must stay so that neither a replay nor a redrive can find them gone:
/// `keep_days` at least, and a day longer than the longest retention. A letter keeps its record
/// beyond that, and its markers may be as old as its record was when it became one. Nothing: they
/// stay for ever, as they do for `keep_days` of 0.
[[nodiscard]] std::optional<Duration> marker_age_max(std::uint64_t keep_days, const MarkerUse& use);

}  // namespace millrace::broker::odoo
