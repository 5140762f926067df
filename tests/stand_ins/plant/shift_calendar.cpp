#include "tests/stand_ins/plant/shift_calendar.hpp"

#include <algorithm>

namespace millrace::plant {
namespace {

constexpr Minute hour = 60;
constexpr Minute day = 24 * hour;
constexpr Minute early_begin = 6 * hour;
constexpr Minute late_begin = 14 * hour;
constexpr Minute late_end = 22 * hour;
constexpr Minute saturday = 5;

/// 0 is Monday; 1970-01-01 was a Thursday.
Minute weekday_of(Minute time) {
    return (time / day + 3) % 7;
}

Minute end_of_day(Minute time) {
    const Minute weekday = weekday_of(time);
    return weekday < saturday ? late_end : (weekday == saturday ? late_begin : 0);
}

}  // namespace

bool ShiftCalendar::is_open(Minute time) {
    const Minute of_day = time % day;
    return of_day >= early_begin && of_day < end_of_day(time);
}

Minute ShiftCalendar::opening_from(Minute time) {
    while (!is_open(time)) {
        const Minute midnight = time - time % day;
        time = time % day < early_begin ? midnight + early_begin : midnight + day;
    }
    return time;
}

Minute ShiftCalendar::end_of_shift(Minute time) {
    const Minute midnight = time - time % day;
    return midnight + (time % day < late_begin ? late_begin : late_end);
}

Minute ShiftCalendar::after(Minute time, Minute minutes) {
    time = opening_from(time);
    while (minutes > 0) {
        time = opening_from(time);
        const Minute worked = std::min(minutes, end_of_shift(time) - time);
        time += worked;
        minutes -= worked;
    }
    return time;
}

std::uint64_t ShiftCalendar::shift_number(Minute time) {
    const bool is_late = time % day >= late_begin;
    return static_cast<std::uint64_t>(time / day) * 2 + (is_late ? 1U : 0U);
}

}  // namespace millrace::plant
