#include "tests/stand_ins/plant/pacer.hpp"

#include <charconv>
#include <cmath>
#include <limits>

namespace millrace::plant {

std::optional<Speed> parse_speed(std::string_view text) {
    if (text == "original") {
        return Speed{.factor = 1};
    }
    if (text == "max") {
        return Speed{.factor = std::numeric_limits<double>::infinity()};
    }
    if (!text.ends_with('x')) {
        return std::nullopt;
    }
    text.remove_suffix(1);
    double factor = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, factor, std::chars_format::fixed);
    constexpr double slowest = 1e-3;  // keeps every wait within the range of the clock
    if (error != std::errc() || rest != end || !std::isfinite(factor) || factor < slowest) {
        return std::nullopt;
    }
    return Speed{.factor = factor};
}

Pacer Pacer::of_rate(double events_per_second) {
    Pacer pacer;
    pacer.events_per_second_ = events_per_second;
    return pacer;
}

Pacer Pacer::of_speed(Speed speed) {
    Pacer pacer;
    pacer.speed_ = speed;
    return pacer;
}

std::optional<SteadyTime> Pacer::due_of(const Event& event, const Clock& clock) {
    if (count_ == 0) {
        begin_ = clock.steady_now();
        first_time_us_ = event.time_us;
    }
    const auto number = static_cast<double>(count_++);
    double later_us = 0;
    if (events_per_second_) {
        later_us = number * 1e6 / *events_per_second_;
    } else if (speed_ && std::isfinite(speed_->factor)) {
        later_us = static_cast<double>(event.time_us - first_time_us_) / speed_->factor;
    } else {
        return std::nullopt;
    }
    return begin_ + Duration(std::llround(later_us));
}

}  // namespace millrace::plant
