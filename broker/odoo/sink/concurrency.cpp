#include "broker/odoo/sink/concurrency.hpp"

#include <algorithm>
#include <bit>

namespace millrace::broker::odoo {
namespace {

constexpr double shrink_factor = 0.67;
constexpr double slow_factor = 3;
constexpr double slow_slack_us =
    50'000;                             ///< below that a call is not slow, however quick others are
constexpr double forget_factor = 1.02;  ///< what was possible once is believed less and less

}  // namespace

Concurrency::Concurrency(std::size_t connections_max)
    : connections_max_(static_cast<double>(std::max<std::size_t>(1, connections_max))),
      limit_(connections_max_) {}

void Concurrency::on_answer(const Answer& answer) {
    const auto took_us = static_cast<double>((answer.ended - answer.began).count());
    const auto [found, is_first] = usual_us_.try_emplace(
        {answer.kind, static_cast<int>(std::bit_width(answer.rows))}, took_us);
    auto& usual_us = found->second;
    const bool is_slow =
        !is_first && took_us > usual_us * slow_factor && took_us > usual_us + slow_slack_us;
    usual_us = std::min(took_us, usual_us * forget_factor);
    if (is_slow) {
        shrink(answer.began, answer.ended);
    } else {
        limit_ = std::min(connections_max_, limit_ + 1 / limit_);
    }
}

void Concurrency::on_conflict(SteadyTime began, SteadyTime ended) {
    shrink(began, ended);
}

void Concurrency::shrink(SteadyTime began, SteadyTime ended) {
    // Calls that began before the last step down tell of the time before it.
    if (began < last_shrink_) {
        return;
    }
    last_shrink_ = ended;
    limit_ = std::max(1.0, limit_ * shrink_factor);
}

}  // namespace millrace::broker::odoo
