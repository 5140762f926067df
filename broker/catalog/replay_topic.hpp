#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace millrace::broker {

/// Topics that the broker makes for itself begin so. No pattern matches them, unless its own first
/// word is this one.
inline constexpr std::string_view internal_topic_prefix = "millrace.";

[[nodiscard]] inline bool is_internal_topic(std::string_view name) {
    return name.starts_with(internal_topic_prefix);
}

/// What is replayed to a subscription travels through a topic of its own, which nobody else reads.
[[nodiscard]] inline std::string replay_topic_of(std::string_view subscription) {
    return std::string(internal_topic_prefix) + "replay." + std::string(subscription);
}

/// More than what a replay adds to a record takes: its id, and where the record came from.
inline constexpr std::size_t replay_stamp_bytes_max = 1024;

}  // namespace millrace::broker
