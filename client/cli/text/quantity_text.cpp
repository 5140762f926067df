#include "client/cli/text/quantity_text.hpp"

#include <array>
#include <charconv>
#include <cstdio>

#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

struct Scale {
    std::string_view name;
    double factor;
};
constexpr double kib = 1024.0;
constexpr std::array<Scale, 18> byte_scales{{{"", 1},
                                             {"B", 1},
                                             {"k", kib},
                                             {"K", kib},
                                             {"kB", 1e3},
                                             {"KB", 1e3},
                                             {"KiB", kib},
                                             {"M", kib* kib},
                                             {"MB", 1e6},
                                             {"MiB", kib* kib},
                                             {"G", kib* kib* kib},
                                             {"GB", 1e9},
                                             {"GiB", kib* kib* kib},
                                             {"T", kib* kib* kib* kib},
                                             {"TB", 1e12},
                                             {"TiB", kib* kib* kib* kib},
                                             {"P", kib* kib* kib* kib* kib},
                                             {"PiB", kib* kib* kib* kib* kib}}};
constexpr std::array<Scale, 7> rate_scales{{{"", 1},
                                            {"/s", 1},
                                            {"/m", 1.0 / 60},
                                            {"/h", 1.0 / 3600},
                                            {"k", 1e3},
                                            {"k/s", 1e3},
                                            {"M/s", 1e6}}};

template <std::size_t Count>
std::optional<double> parse_scaled(std::string_view text, const std::array<Scale, Count>& scales) {
    if (text.empty() || text.front() < '0' || text.front() > '9') {
        return std::nullopt;
    }
    double value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    while (text.starts_with(' ')) {
        text.remove_prefix(1);
    }
    for (const Scale& scale : scales) {
        if (scale.name == text) {
            return value * scale.factor;
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
    if (const auto exact = parse_count(text)) {
        return exact;
    }
    const auto value = parse_scaled(text, byte_scales);
    constexpr double limit = 9.2e18;
    return value && *value < limit ? std::optional(static_cast<std::uint64_t>(*value))
                                   : std::nullopt;
}

std::uint64_t require_bytes(std::string_view text, std::string_view what) {
    if (const auto bytes = parse_bytes(text)) {
        return *bytes;
    }
    throw UsageError(std::string(what) + ": \"" + std::string(text) +
                     "\" is no size; write 4096, 64KiB or 10GB");
}

std::string format_bytes(std::uint64_t bytes) {
    constexpr std::array<const char*, 5> names{"KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024) {
        return std::to_string(bytes) + " B";
    }
    double value = static_cast<double>(bytes) / kib;
    std::size_t name = 0;
    while (value >= kib && name + 1 < names.size()) {
        value /= kib;
        ++name;
    }
    std::array<char, 32> out{};
    std::snprintf(out.data(), out.size(), "%.1f %s", value, names[name]);
    return out.data();
}

std::optional<double> parse_rate(std::string_view text) {
    const auto value = parse_scaled(text, rate_scales);
    return value && *value > 0 ? value : std::nullopt;
}

double require_rate(std::string_view text, std::string_view what) {
    if (const auto rate = parse_rate(text)) {
        return *rate;
    }
    throw UsageError(std::string(what) + ": \"" + std::string(text) +
                     "\" is no rate; write 500/s, 10k/s or 30/m");
}

std::optional<std::uint64_t> parse_count(std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc{} || end != text.data() + text.size()) {
        return std::nullopt;
    }
    return value;
}

std::string format_count(std::uint64_t count) {
    std::string digits = std::to_string(count);
    for (std::size_t at = digits.size(); at > 3; at -= 3) {
        digits.insert(at - 3, 1, ',');
    }
    return digits;
}

}  // namespace millrace::cli
