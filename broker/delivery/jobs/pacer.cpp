#include "broker/delivery/jobs/pacer.hpp"

#include <algorithm>

namespace millrace::broker::delivery {
namespace {

constexpr Duration made_up_for{100'000};  ///< at most so much of what was missed
constexpr double pace_second_us = 1e6;

Duration micros(double value) {
    constexpr double longest = 1e15;  // thirty years; a duration has an end
    return Duration(static_cast<std::int64_t>(std::clamp(value, 0.0, longest)));
}

}  // namespace

Duration Pacer::wait_of(UnixMicros append_time_us) {
    const auto now = clock_.steady_now();
    if (speed_.records_per_second > 0) {
        next_ = std::max(next_.value_or(now), now - made_up_for);
        return std::max(*next_ - now, Duration{0});
    }
    if (speed_.time_scale > 0) {
        if (!first_) {
            first_ = now;
            first_append_us_ = append_time_us;
        }
        const auto distance =
            static_cast<double>(append_time_us - first_append_us_) / speed_.time_scale;
        const auto due = *first_ + micros(distance);
        return std::max(due - now, Duration{0});
    }
    return Duration{0};
}

void Pacer::count() {
    if (next_) {
        *next_ += micros(pace_second_us / speed_.records_per_second);
    }
}

}  // namespace millrace::broker::delivery
