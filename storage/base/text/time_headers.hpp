#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace {

inline constexpr std::string_view deliver_after_header = "deliver-after";
inline constexpr std::string_view expires_at_header = "expires-at";

/// A moment as RFC 3339 (`2026-11-20T06:00:00Z`, with a fraction or an offset) or as milliseconds
/// since 1970, in microseconds since 1970. Nothing for anything else.
[[nodiscard]] std::optional<std::int64_t> parse_moment(std::string_view text);

/// What is wrong with a header that says when, for whoever publishes: the broker takes one that
/// says no time, and delivers as if it were not there. Nothing for every other header.
[[nodiscard]] std::optional<std::string> time_header_fault(std::string_view name,
                                                           std::string_view value);

}  // namespace millrace
