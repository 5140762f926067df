#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::cli {

/// A length of time: "90s", "2h", "1d12h", "500ms", "100us", "1w", "0".
[[nodiscard]] std::optional<std::chrono::microseconds> parse_duration(std::string_view text);
/// As above; throws UsageError that names `what`.
[[nodiscard]] std::chrono::microseconds require_duration(std::string_view text,
                                                         std::string_view what);
/// The two largest units that matter: "1d 2h", "3m 20s", "1.5 s", "250 ms".
[[nodiscard]] std::string format_duration(std::chrono::microseconds duration);

/// A moment in microseconds since 1970: "2026-11-20", "2026-11-20T06:00", "2026-11-20 06:00:01.5",
/// with "Z" or "+01:00" (without: UTC), "06:00" (today), "now", "today", "yesterday", "-2h", "2h
/// ago", or seconds, milliseconds or microseconds since 1970 as a number of at least nine digits.
[[nodiscard]] std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t now_us);
/// As above; throws UsageError that names `what`.
[[nodiscard]] std::int64_t require_time(std::string_view text,
                                        std::int64_t now_us,
                                        std::string_view what);
/// "2026-11-20T06:00:01.500Z"; microseconds are shown where there are some. "-" for 0.
[[nodiscard]] std::string format_time(std::int64_t time_us);

[[nodiscard]] std::int64_t unix_now_us();

}  // namespace millrace::cli
