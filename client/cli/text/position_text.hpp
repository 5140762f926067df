#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

namespace millrace::cli {

struct FromBeginning {
    bool operator==(const FromBeginning&) const = default;
};
struct FromEnd {
    bool operator==(const FromEnd&) const = default;
};
struct FromOffset {
    std::uint64_t offset = 0;
    bool operator==(const FromOffset&) const = default;
};
struct FromTime {
    std::int64_t time_us = 0;
    bool operator==(const FromTime&) const = default;
};
/// `[from_us, to_us)` by append time.
struct TimeWindow {
    std::int64_t from_us = 0;
    std::int64_t to_us = INT64_MAX;
    bool operator==(const TimeWindow&) const = default;
};
using ReadPosition = std::variant<FromBeginning, FromEnd, FromOffset, FromTime, TimeWindow>;

/// `beginning`, `end`, an offset, `@TIME`, or the window `@TIME:TIME` (also `@TIME..TIME`; either
/// side may be empty). Throws UsageError that names `what`.
[[nodiscard]] ReadPosition parse_position(std::string_view text,
                                          std::int64_t now_us,
                                          std::string_view what);

}  // namespace millrace::cli
