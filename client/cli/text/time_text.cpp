#include "client/cli/text/time_text.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <limits>

#include "client/cli/text/usage_error.hpp"

namespace millrace::cli {
namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t day_us = 86'400 * second_us;

struct Unit {
    std::string_view name;
    std::int64_t us;
};
constexpr std::array<Unit, 8> units{{{"us", 1},
                                     {"ms", 1'000},
                                     {"s", second_us},
                                     {"min", 60 * second_us},
                                     {"m", 60 * second_us},
                                     {"h", 3'600 * second_us},
                                     {"d", day_us},
                                     {"w", 7 * day_us}}};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Takes digits from the front: exactly `count` of them, or as many as there are for 0.
std::optional<std::int64_t> take_number(std::string_view& text, std::size_t count = 0) {
    std::size_t digits = 0;
    while (digits < text.size() && is_digit(text[digits]) && (count == 0 || digits < count)) {
        ++digits;
    }
    if (digits == 0 || (count != 0 && digits != count)) {
        return std::nullopt;
    }
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    text.remove_prefix(digits);
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) {
        return false;
    }
    text.remove_prefix(1);
    return true;
}

/// What stands after a point, in microseconds; digits beyond the sixth are dropped.
std::int64_t take_fraction_us(std::string_view& text) {
    std::int64_t value = 0;
    std::int64_t scale = second_us / 10;
    while (!text.empty() && is_digit(text.front())) {
        value += scale * (text.front() - '0');
        scale /= 10;
        text.remove_prefix(1);
    }
    return value;
}

std::optional<std::int64_t> take_date_us(std::string_view& text) {
    const auto year = take_number(text, 4);
    if (!year || !take(text, '-')) {
        return std::nullopt;
    }
    const auto month = take_number(text, 2);
    if (!month || !take(text, '-')) {
        return std::nullopt;
    }
    const auto day = take_number(text, 2);
    if (!day) {
        return std::nullopt;
    }
    const std::chrono::year_month_day date{std::chrono::year{static_cast<int>(*year)},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) {
        return std::nullopt;
    }
    return std::chrono::sys_days{date}.time_since_epoch().count() * day_us;
}

std::optional<std::int64_t> take_clock_us(std::string_view& text) {
    const auto hour = take_number(text, 2);
    if (!hour || *hour > 23 || !take(text, ':')) {
        return std::nullopt;
    }
    const auto minute = take_number(text, 2);
    if (!minute || *minute > 59) {
        return std::nullopt;
    }
    std::int64_t result = (*hour * 60 + *minute) * 60 * second_us;
    if (text.size() > 1 && text[0] == ':' && is_digit(text[1])) {
        take(text, ':');
        const auto second = take_number(text, 2);
        if (!second || *second > 59) {
            return std::nullopt;
        }
        result += *second * second_us;
        if (take(text, '.')) {
            result += take_fraction_us(text);
        }
    }
    return result;
}

/// "", "Z" or "+01:00"; how far that zone's clocks are ahead.
std::optional<std::int64_t> take_zone_us(std::string_view& text) {
    if (text.empty() || take(text, 'Z') || take(text, 'z')) {
        return 0;
    }
    const bool west = text.front() == '-';
    if (!take(text, '+') && !take(text, '-')) {
        return std::nullopt;
    }
    const auto hours = take_number(text, 2);
    take(text, ':');
    const auto minutes = text.empty() ? std::optional<std::int64_t>{0} : take_number(text, 2);
    if (!hours || *hours > 14 || !minutes || *minutes > 59) {
        return std::nullopt;
    }
    const std::int64_t ahead = (*hours * 60 + *minutes) * 60 * second_us;
    return west ? -ahead : ahead;
}

std::optional<std::int64_t> parse_calendar(std::string_view text, std::int64_t now_us) {
    std::string_view rest = text;
    const bool has_date = text.size() > 4 && text[4] == '-';
    std::int64_t result = now_us - now_us % day_us;
    if (has_date) {
        const auto date = take_date_us(rest);
        if (!date) {
            return std::nullopt;
        }
        result = *date;
        if (rest.empty()) {
            return result;
        }
        if (!take(rest, 'T') && !take(rest, ' ') && !take(rest, 't')) {
            return std::nullopt;
        }
    }
    const auto clock = take_clock_us(rest);
    const auto zone = clock ? take_zone_us(rest) : std::nullopt;
    if (!zone || !rest.empty()) {
        return std::nullopt;
    }
    return result + *clock - *zone;
}

/// Seconds have 9 or 10 digits until the year 2286, milliseconds 12 or 13, microseconds 15 or 16.
std::optional<std::int64_t> parse_unix(std::string_view text) {
    std::string_view rest = text;
    const auto value = take_number(rest);
    if (!value || !rest.empty() || text.size() < 9) {
        return std::nullopt;
    }
    if (text.size() <= 11) {
        return *value * second_us;
    }
    return text.size() <= 14 ? *value * 1'000 : *value;
}

std::string print(const char* form, double value) {
    std::array<char, 48> out{};
    std::snprintf(out.data(), out.size(), form, value);
    return out.data();
}

/// "3m 20s"; the smaller unit only where there is some of it.
std::string join_units(std::int64_t large,
                       const char* large_unit,
                       std::int64_t small,
                       const char* small_unit) {
    return std::to_string(large) + large_unit +
           (small == 0 ? std::string() : " " + std::to_string(small) + small_unit);
}

}  // namespace

std::optional<std::chrono::microseconds> parse_duration(std::string_view text) {
    if (text == "0") {
        return std::chrono::microseconds{0};
    }
    std::int64_t total = 0;
    if (text.empty()) {
        return std::nullopt;
    }
    while (!text.empty()) {
        const auto number = take_number(text);
        std::size_t letters = 0;
        while (letters < text.size() && text[letters] >= 'a' && text[letters] <= 'z') {
            ++letters;
        }
        const std::string_view name = text.substr(0, letters);
        std::int64_t unit = 0;
        for (const Unit& candidate : units) {
            unit = candidate.name == name ? candidate.us : unit;
        }
        if (!number || unit == 0 ||
            *number > (std::numeric_limits<std::int64_t>::max() - total) / unit) {
            return std::nullopt;
        }
        total += *number * unit;
        text.remove_prefix(letters);
    }
    return std::chrono::microseconds{total};
}

std::chrono::microseconds require_duration(std::string_view text, std::string_view what) {
    if (const auto duration = parse_duration(text)) {
        return *duration;
    }
    throw UsageError(std::string(what) + ": \"" + std::string(text) +
                     "\" is no length of time; write 500ms, 90s, 2h or 1d12h");
}

std::string format_duration(std::chrono::microseconds duration) {
    const std::int64_t us = duration.count();
    if (us < 0) {
        return "-" + format_duration(std::chrono::microseconds{us == INT64_MIN ? INT64_MAX : -us});
    }
    if (us < 1'000) {
        return std::to_string(us) + " us";
    }
    if (us < second_us) {
        return std::to_string(us / 1'000) + " ms";
    }
    if (us < 60 * second_us) {
        return print("%.1f s", static_cast<double>(us) / static_cast<double>(second_us));
    }
    constexpr std::int64_t minutes_of_a_day = 1'440;
    const std::int64_t seconds = us / second_us;
    const std::int64_t minutes = seconds / 60;
    if (minutes < 60) {
        return join_units(minutes, "m", seconds % 60, "s");
    }
    if (minutes < minutes_of_a_day) {
        return join_units(minutes / 60, "h", minutes % 60, "m");
    }
    return join_units(minutes / minutes_of_a_day, "d", minutes % minutes_of_a_day / 60, "h");
}

std::optional<std::int64_t> parse_time(std::string_view text, std::int64_t now_us) {
    if (text == "now") {
        return now_us;
    }
    const std::int64_t today = now_us - now_us % day_us;
    if (text == "today") {
        return today;
    }
    if (text == "yesterday") {
        return today - day_us;
    }
    if (text.starts_with('-')) {
        const auto before = parse_duration(text.substr(1));
        return before ? std::optional(now_us - before->count()) : std::nullopt;
    }
    if (text.ends_with(" ago")) {
        const auto before = parse_duration(text.substr(0, text.size() - 4));
        return before ? std::optional(now_us - before->count()) : std::nullopt;
    }
    if (const auto unix_time = parse_unix(text)) {
        return unix_time;
    }
    return parse_calendar(text, now_us);
}

std::int64_t require_time(std::string_view text, std::int64_t now_us, std::string_view what) {
    if (const auto time = parse_time(text, now_us)) {
        return *time;
    }
    throw UsageError(std::string(what) + ": \"" + std::string(text) +
                     "\" is no time; write 2026-11-20T06:00, 06:00, -2h, now, or seconds since "
                     "1970 (UTC unless a zone such as +01:00 follows)");
}

std::string format_time(std::int64_t time_us) {
    if (time_us == 0) {
        return "-";
    }
    const std::chrono::sys_time<std::chrono::microseconds> time{std::chrono::microseconds{time_us}};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss<std::chrono::microseconds> clock{time - day};
    const std::int64_t fraction = clock.subseconds().count();
    std::array<char, 64> out{};
    std::snprintf(out.data(),
                  out.size(),
                  fraction % 1'000 == 0 ? "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ"
                                        : "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ",
                  static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()),
                  static_cast<unsigned>(date.day()),
                  static_cast<int>(clock.hours().count()),
                  static_cast<int>(clock.minutes().count()),
                  static_cast<int>(clock.seconds().count()),
                  static_cast<int>(fraction % 1'000 == 0 ? fraction / 1'000 : fraction));
    return out.data();
}

std::int64_t unix_now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

}  // namespace millrace::cli
