#include "broker/delivery/rules/circuit.hpp"

#include <utility>

namespace millrace::broker::delivery {
namespace {

constexpr Duration delay_min{1'000'000};
constexpr Duration delay_max{30'000'000};

}  // namespace

Duration CircuitBreaker::trip(std::string reason) {
    reason_ = std::move(reason);
    state_ = Circuit::open;
    delay_ = delay_.count() == 0 ? delay_min : std::min(delay_ * 2, delay_max);
    return delay_;
}

void CircuitBreaker::allow_probe() {
    if (state_ == Circuit::open) {
        state_ = Circuit::half_open;
    }
}

bool CircuitBreaker::close() {
    const bool was_out = state_ != Circuit::closed;
    state_ = Circuit::closed;
    delay_ = Duration{0};
    reason_.clear();
    return was_out;
}

std::size_t CircuitBreaker::in_flight_max(std::size_t window) const {
    return state_ == Circuit::closed ? window : state_ == Circuit::half_open ? 1 : 0;
}

}  // namespace millrace::broker::delivery
