#pragma once

#include <string_view>

#include "millrace/types.hpp"

namespace millrace::cli {

/// How fast a replay goes; both 0: as fast as it can.
struct Speed {
    double records_per_second = 0;
    double time_scale = 0;
};
/// "max", "50/s", "10k/s", or "1x", "10x", "0.5x" of the original spacing. Throws UsageError.
[[nodiscard]] Speed require_speed(std::string_view text);

/// "NAME=VALUE". Throws UsageError.
[[nodiscard]] Header require_header(std::string_view text);

}  // namespace millrace::cli
