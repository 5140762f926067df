#include <benchmark/benchmark.h>

#include "broker/delivery/progress/interval_set.hpp"
#include "broker/delivery/rules/timing_wheel.hpp"
#include "storage/base/random.hpp"

namespace millrace::broker::delivery {
namespace {

void acks_in_order(benchmark::State& state) {
    IntervalSet acked;
    Offset next{0};
    for ([[maybe_unused]] const auto _ : state) {
        acked.add(next, 1);
        next += 1;
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(acks_in_order);

/// Consumers finish in an order of their own within a window of so many records.
void acks_out_of_order(benchmark::State& state) {
    const auto window = static_cast<std::uint64_t>(state.range(0));
    std::vector<std::uint64_t> order(window);
    for (std::uint64_t i = 0; i < window; ++i) {
        order[i] = i * 7919 % window;  // 7919 is prime, so each comes once
    }
    IntervalSet acked;
    Offset base{0};
    for ([[maybe_unused]] const auto _ : state) {
        for (const auto offset : order) {
            acked.add(base + offset, 1);
        }
        base += window;
    }
    state.SetItemsProcessed(state.range(0) * state.iterations());
}
BENCHMARK(acks_out_of_order)->Arg(64)->Arg(1024)->Arg(65'536);

/// One more retry while so many wait: added, and handed over when it is due.
void waits_by_wheel(benchmark::State& state) {
    const auto waiting = static_cast<std::uint64_t>(state.range(0));
    constexpr Duration tick{10'000};
    constexpr std::uint64_t spread_us = 60'000'000;
    Random random(1);
    SteadyTime now{};
    TimingWheel<std::uint64_t> wheel(tick, now);
    for (std::uint64_t i = 0; i < waiting; ++i) {
        wheel.add(now + Duration(random.below(spread_us)), i);
    }
    std::vector<std::uint64_t> due;
    std::int64_t count = 0;
    for ([[maybe_unused]] const auto _ : state) {
        due.clear();
        now = *wheel.next();
        wheel.advance(now, due);
        for (const auto item : due) {
            wheel.add(now + Duration(random.below(spread_us)), item);
        }
        count += static_cast<std::int64_t>(due.size());
    }
    state.SetItemsProcessed(count);
}
BENCHMARK(waits_by_wheel)->Arg(1'000)->Arg(100'000)->Arg(1'000'000);

}  // namespace
}  // namespace millrace::broker::delivery
