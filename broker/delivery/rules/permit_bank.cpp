#include "broker/delivery/rules/permit_bank.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace millrace::broker::delivery {
namespace {

constexpr double second_us = 1e6;
constexpr Duration wait_min{5'000};  ///< a high rate goes out in small groups

}  // namespace

double PermitBank::burst() const {
    return std::max<double>(1, limits_.rate_burst > 0 ? limits_.rate_burst : limits_.rate_per_s);
}

void PermitBank::limit(const DispatchLimits& limits, SteadyTime now) {
    if (limits == limits_) {
        return;
    }
    const bool had_rate = limits_.rate_per_s > 0;
    refill(now);
    limits_ = limits;
    tokens_ = had_rate ? std::min(tokens_, burst()) : burst();
    refilled_at_ = now;
}

void PermitBank::refill(SteadyTime now) {
    const auto passed_us = static_cast<double>((now - refilled_at_).count());
    tokens_ = std::min(burst(), tokens_ + limits_.rate_per_s * passed_us / second_us);
    refilled_at_ = now;
}

void PermitBank::take(const PermitReport& report) {
    out_ += report.adopted;
    out_ -= std::min<std::uint64_t>(out_, std::uint64_t{report.finished} + report.unused);
    tokens_ = std::min(burst(), tokens_ + report.unused);
    const auto found = std::ranges::find(wants_, report.from, &Want::shard);
    if (found == wants_.end()) {
        wants_.push_back({.shard = report.from, .count = report.wanted});
    } else {
        found->count = report.wanted;
    }
}

std::uint32_t PermitBank::available() const {
    std::uint64_t count = std::numeric_limits<std::uint32_t>::max();
    if (limits_.concurrency > 0) {
        count = limits_.concurrency > out_ ? limits_.concurrency - out_ : 0;
    }
    if (limits_.rate_per_s > 0) {
        count = std::min(count, static_cast<std::uint64_t>(tokens_));
    }
    return static_cast<std::uint32_t>(count);
}

Shortage PermitBank::shortage() const {
    const bool is_full = limits_.concurrency > 0 && out_ >= limits_.concurrency;
    return is_full ? Shortage::concurrency : Shortage::rate;
}

void PermitBank::share_out() {
    auto left = available();
    while (left > 0) {
        const auto waiting = static_cast<std::uint32_t>(
            std::ranges::count_if(wants_, [](const Want& one) { return one.count > 0; }));
        if (waiting == 0) {
            return;
        }
        const auto share = std::max(1U, left / waiting);
        for (auto turns = wants_.size(); turns > 0 && left > 0; --turns) {
            auto want = wants_.front();
            wants_.pop_front();
            const auto count = std::min({want.count, share, left});
            want.count -= count;
            want.given += count;
            left -= count;
            out_ += count;
            tokens_ -= limits_.rate_per_s > 0 ? count : 0;
            wants_.push_back(want);
        }
    }
}

std::vector<PermitGrant> PermitBank::give(SteadyTime now) {
    refill(now);
    share_out();
    std::vector<PermitGrant> grants;
    for (auto& want : wants_) {
        const auto why = want.count > 0 ? shortage() : Shortage::none;
        if (want.given > 0 || why != want.told) {
            grants.push_back({.to = want.shard, .count = want.given, .shortage = why});
        }
        want.given = 0;
        want.told = why;
    }
    return grants;
}

std::optional<Duration> PermitBank::wait() const {
    const bool is_waiting =
        std::ranges::any_of(wants_, [](const Want& one) { return one.count > 0; });
    if (!is_waiting || limits_.rate_per_s == 0 || shortage() != Shortage::rate) {
        return std::nullopt;
    }
    const auto missing = std::max(0.0, 1 - tokens_);
    const Duration until(
        static_cast<std::int64_t>(std::ceil(missing * second_us / limits_.rate_per_s)));
    return std::max(until, wait_min);
}

}  // namespace millrace::broker::delivery
