#include <benchmark/benchmark.h>

#include "broker/runtime/mailbox.hpp"
#include "broker/runtime/timer_queue.hpp"

namespace millrace::broker {
namespace {

void mailbox_passes_tasks(benchmark::State& state) {
    Mailbox mailbox;
    std::uint64_t ran = 0;
    const auto run = [&ran] { ++ran; };
    for ([[maybe_unused]] const auto _ : state) {
        for (std::int64_t i = 0; i < state.range(0); ++i) {
            Task task = run;
            benchmark::DoNotOptimize(mailbox.push(task));
        }
        mailbox.run_all();
    }
    benchmark::DoNotOptimize(ran);
    state.SetItemsProcessed(state.range(0) * state.iterations());
}
BENCHMARK(mailbox_passes_tasks)->Arg(1)->Arg(64)->Arg(1024);

void timers_added_and_cancelled(benchmark::State& state) {
    TimerQueue timers;
    const SteadyTime begin{};
    for (std::int64_t i = 0; i < state.range(0); ++i) {
        timers.add(begin + Duration(i), [] {});
    }
    std::int64_t at = 0;
    for ([[maybe_unused]] const auto _ : state) {
        timers.cancel(timers.add(begin + Duration(++at % state.range(0)), [] {}));
    }
    state.SetItemsProcessed(state.iterations());
}
BENCHMARK(timers_added_and_cancelled)->Arg(10)->Arg(10'000);

void timers_run_when_due(benchmark::State& state) {
    TimerQueue timers;
    SteadyTime now{};
    std::uint64_t ran = 0;
    const auto run = [&ran] { ++ran; };
    for ([[maybe_unused]] const auto _ : state) {
        for (std::int64_t i = 0; i < state.range(0); ++i) {
            timers.add(now + Duration(i), run);
        }
        now += Duration(state.range(0));
        timers.run_due(now);
    }
    benchmark::DoNotOptimize(ran);
    state.SetItemsProcessed(state.range(0) * state.iterations());
}
BENCHMARK(timers_run_when_due)->Arg(100);

}  // namespace
}  // namespace millrace::broker
