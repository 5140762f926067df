#include "broker/delivery/rules/circuit.hpp"

#include <algorithm>
#include <utility>

namespace millrace::broker::delivery {
namespace {

constexpr Duration delay_min{1'000'000};

}  // namespace

void CircuitBreaker::change(Circuit to, std::string reason, UnixMicros now) {
    changes_.push_back({.time_us = now,
                        .from = std::exchange(state_, to),
                        .to = to,
                        .cause = cause_,
                        .reason = std::move(reason)});
    if (changes_.size() > changes_max) {
        changes_.pop_front();
    }
}

Duration CircuitBreaker::trip(Cause cause, std::string reason, UnixMicros now) {
    cause_ = cause;
    reason_ = std::string(name_of(cause)) + ": " + reason;
    delay_ = delay_.count() == 0 ? delay_min : delay_ * 2;
    delay_ = std::min(delay_, std::max(probe_interval_max_, Duration{1'000}));
    change(Circuit::open, std::move(reason), now);
    return delay_;
}

bool CircuitBreaker::allow_probe(UnixMicros now) {
    if (state_ != Circuit::open) {
        return false;
    }
    change(Circuit::half_open,
           "one record goes out as a probe after " + std::to_string(delay_.count() / 1000) + " ms",
           now);
    return true;
}

bool CircuitBreaker::close(UnixMicros now) {
    delay_ = Duration{0};
    reason_.clear();
    if (state_ == Circuit::closed) {
        return false;
    }
    change(Circuit::closed, "the target has answered", now);
    cause_ = Cause::none;
    return true;
}

std::size_t CircuitBreaker::in_flight_max(std::size_t window) const {
    return state_ == Circuit::closed ? window : state_ == Circuit::half_open ? 1 : 0;
}

}  // namespace millrace::broker::delivery
