#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "storage/base/clock.hpp"

namespace millrace::broker::odoo {

/// What may bring an event again that has its markers.
struct MarkerUse {
    /// Of the topics that are fed, or that a replay may send to the feed; 0: for ever.
    std::vector<std::uint64_t> retentions_ms;
    /// Of what a replay has sent to the subscription, and that may wait there. 0: nothing.
    std::uint64_t replay_retention_ms = 0;
    Duration oldest_letter{0};  ///< of the oldest that is open or redriven; 0: none
};

/// How long markers must stay so that neither a replay nor a redrive can find them gone:
/// `keep_days` at least, and a day longer than the longest retention and that of replays together.
/// A letter keeps its record beyond that, and its markers may be as old as its record was when it
/// became one. Nothing: they stay for ever, as they do for `keep_days` of 0.
[[nodiscard]] std::optional<Duration> marker_age_max(std::uint64_t keep_days, const MarkerUse& use);

}  // namespace millrace::broker::odoo
