#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace millrace::cli {

/// "4096", "64KiB", "10MB", "1.5GiB", "2T"; k, M, G, T alone count in 1024.
[[nodiscard]] std::optional<std::uint64_t> parse_bytes(std::string_view text);
/// As above; throws UsageError that names `what`.
[[nodiscard]] std::uint64_t require_bytes(std::string_view text, std::string_view what);
/// "512 B", "1.5 GiB".
[[nodiscard]] std::string format_bytes(std::uint64_t bytes);

/// Records a second: "500", "500/s", "30/m", "10k/s". Never 0.
[[nodiscard]] std::optional<double> parse_rate(std::string_view text);
[[nodiscard]] double require_rate(std::string_view text, std::string_view what);

/// Digits only; the whole text.
[[nodiscard]] std::optional<std::uint64_t> parse_count(std::string_view text);
/// "2,489".
[[nodiscard]] std::string format_count(std::uint64_t count);

}  // namespace millrace::cli
