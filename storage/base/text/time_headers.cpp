#include "storage/base/text/time_headers.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <limits>

namespace millrace {
namespace {

constexpr std::int64_t milliseconds_max = std::numeric_limits<std::int64_t>::max() / 1'000;

bool is_digit(char character) {
    return character >= '0' && character <= '9';
}

/// Takes what it reads off the front of a text; once something is missing it has failed.
class TextReader {
  public:
    explicit TextReader(std::string_view text) : rest_(text) {}

    /// A number of exactly so many digits.
    int take_number(std::size_t count) {
        const auto text = rest_.substr(0, count);
        if (text.size() != count || !std::ranges::all_of(text, is_digit)) {
            has_failed_ = true;
            return 0;
        }
        int value = 0;
        std::from_chars(text.data(), text.data() + count, value);
        rest_.remove_prefix(count);
        return value;
    }
    /// One of these characters.
    char take_one_of(std::string_view characters) {
        if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) {
            has_failed_ = true;
            return 0;
        }
        const auto taken = rest_.front();
        rest_.remove_prefix(1);
        return taken;
    }
    /// A fraction of a second, where there is one; what is finer than microseconds is dropped.
    std::int64_t take_fraction_us() {
        if (rest_.empty() || rest_.front() != '.') {
            return 0;
        }
        rest_.remove_prefix(1);
        const auto count = std::min(rest_.find_first_not_of("0123456789"), rest_.size());
        has_failed_ = has_failed_ || count == 0;
        std::int64_t value = 0;
        for (std::size_t i = 0; i < 6; ++i) {
            value = value * 10 + (i < count ? rest_[i] - '0' : 0);
        }
        rest_.remove_prefix(count);
        return value;
    }
    [[nodiscard]] bool is_done() const { return !has_failed_ && rest_.empty(); }

  private:
    std::string_view rest_;
    bool has_failed_ = false;
};

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
    using namespace std::chrono;
    TextReader in(text);
    const year_month_day date{
        year{in.take_number(4)},
        month{(in.take_one_of("-"), static_cast<unsigned>(in.take_number(2)))},
        day{(in.take_one_of("-"), static_cast<unsigned>(in.take_number(2)))}};
    in.take_one_of("Tt ");
    const hours hour{in.take_number(2)};
    in.take_one_of(":");
    const minutes minute{in.take_number(2)};
    in.take_one_of(":");
    const seconds second{in.take_number(2)};
    const auto fraction_us = in.take_fraction_us();
    minutes offset{0};
    if (const auto sign = in.take_one_of("Zz+-"); sign == '+' || sign == '-') {
        offset = hours{in.take_number(2)};
        in.take_one_of(":");
        offset += minutes{in.take_number(2)};
        offset = sign == '-' ? -offset : offset;
    }
    const bool is_time = hour < 24h && minute < 60min && second <= 60s;
    if (!in.is_done() || !date.ok() || !is_time) {
        return std::nullopt;
    }
    const auto time = sys_days{date} + hour + minute + second - offset;
    return duration_cast<microseconds>(time.time_since_epoch()).count() + fraction_us;
}

}  // namespace

std::optional<std::int64_t> parse_moment(std::string_view text) {
    if (text.empty() || !std::ranges::all_of(text, is_digit)) {
        return parse_rfc3339(text);
    }
    std::int64_t milliseconds = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
    if (parsed.ec != std::errc() || milliseconds > milliseconds_max) {
        return std::nullopt;
    }
    return milliseconds * 1'000;
}

std::optional<std::string> time_header_fault(std::string_view name, std::string_view value) {
    if ((name != deliver_after_header && name != expires_at_header) || parse_moment(value)) {
        return std::nullopt;
    }
    return "the header " + std::string(name) + " says no time: \"" + std::string(value) +
           "\"; it takes a moment such as 2026-11-20T06:00:00Z, or milliseconds since 1970";
}

}  // namespace millrace
