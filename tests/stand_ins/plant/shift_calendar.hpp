#pragma once

#include <cstdint>

namespace millrace::plant {

/// Minutes since 1970, UTC: the plant's clock, as fine as the real log's.
using Minute = std::int64_t;

/// When the plant works: 06:00 to 14:00 and 14:00 to 22:00 from Monday to Friday, the early shift
/// alone on Saturday.
class ShiftCalendar {
  public:
    /// `time` itself within a shift, else the beginning of the next one.
    [[nodiscard]] static Minute opening_from(Minute time);
    /// The end of the shift that holds `time`. **Requires** a time within a shift.
    [[nodiscard]] static Minute end_of_shift(Minute time);
    /// When `minutes` of work that begins at `time` are over.
    [[nodiscard]] static Minute after(Minute time, Minute minutes);
    /// Counts the shifts of all days; for who works in it.
    [[nodiscard]] static std::uint64_t shift_number(Minute time);
    [[nodiscard]] static bool is_open(Minute time);
};

}  // namespace millrace::plant
