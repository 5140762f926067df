#include "broker/delivery/letters/letter_gauges.hpp"

#include <algorithm>
#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {

std::int64_t percent_of(std::uint64_t part, std::uint64_t whole) {
    return static_cast<std::int64_t>(100.0 * static_cast<double>(part) /
                                     static_cast<double>(std::max<std::uint64_t>(whole, 1)));
}

Gauge& LetterGauges::gauge(const char* metric, const char* help, const std::string& name) {
    return shard_.metrics().gauge(
        metric, help, {{"subscription", name}, {"shard", std::to_string(shard_.id().value)}});
}

void LetterGauges::update(std::uint32_t subscription, const std::string& name) {
    const auto active = letters_.active(subscription);
    const auto& limits = letters_.limits();
    gauge("millrace_delivery_letters_bytes", "What letters that are not over hold.", name)
        .set(static_cast<std::int64_t>(active.bytes));
    gauge("millrace_delivery_letters_limit_percent",
          "How much of letters_max or letters_bytes_max is used, whichever is nearer.",
          name)
        .set(std::max(percent_of(active.count, limits.letters_max),
                      percent_of(active.bytes, limits.letters_bytes_max)));
    const auto reason = letters_.full_reason(subscription);
    if (std::exchange(is_full_[subscription], !reason.empty()) == reason.empty()) {
        log_warning("delivery",
                    name + (reason.empty() ? ": below the limit of dead letters again"
                                           : ": hands out nothing new, " + reason));
    }
}

}  // namespace millrace::broker::delivery
