#include <benchmark/benchmark.h>

#include "broker/delivery/progress/interval_set.hpp"
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

}  // namespace
}  // namespace millrace::broker::delivery
