#include "broker/delivery/rules/circuit.hpp"

#include <algorithm>
#include <utility>

namespace millrace::broker::delivery {
namespace {

constexpr Duration delay_min{1'000'000};

std::string reason_of(Cause cause, const std::string& text) {
    return std::string(name_of(cause)) + ": " + text;
}

/// To a probe, or back from one that has failed.
bool is_probe(const CircuitChange& change) {
    return change.to == Circuit::half_open ||
           (change.from == Circuit::half_open && change.to == Circuit::open);
}

}  // namespace

void CircuitBreaker::change(Circuit to, std::string reason, UnixMicros now) {
    changes_.push_back({.time_us = now,
                        .from = std::exchange(state_, to),
                        .to = to,
                        .cause = cause_,
                        .reason = std::move(reason)});
    if (changes_.size() > changes_max) {
        drop_one();
    }
}

void CircuitBreaker::drop_one() {
    const auto probe = std::ranges::find_if(changes_, is_probe);
    changes_.erase(probe == changes_.end() ? changes_.begin() : probe);
}

Duration CircuitBreaker::trip(Cause cause, std::string reason, UnixMicros now) {
    cause_ = cause;
    reason_ = reason_of(cause, reason);
    delay_ = delay_.count() == 0 ? delay_min : delay_ * 2;
    delay_ = std::min(delay_, std::max(probe_interval_max_, Duration{1'000}));
    change(Circuit::open, std::move(reason), now);
    return delay_;
}

std::optional<Duration> CircuitBreaker::resume(const std::deque<CircuitChange>& changes) {
    changes_ = changes;
    if (changes_.empty() || changes_.back().to == Circuit::closed) {
        return std::nullopt;
    }
    const auto& last = changes_.back();
    state_ = Circuit::open;
    cause_ = last.cause;
    reason_ = reason_of(last.cause, last.reason);
    delay_ = std::min(delay_min, std::max(probe_interval_max_, Duration{1'000}));
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
