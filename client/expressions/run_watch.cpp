#include "client/expressions/run_watch.hpp"

#include <thread>
#include <utility>

#include <pthread.h>

namespace millrace::expressions {
namespace {

constexpr std::chrono::milliseconds look_interval{250};
// Beside numbers of runs, which begin above them.
constexpr std::uint64_t nothing_runs = 0;
constexpr std::uint64_t is_being_stopped = 1;
constexpr std::uint64_t was_stopped = 2;

clockid_t clock_of_this_thread() {
    static const thread_local auto clock = [] {
        clockid_t id{};
        return ::pthread_getcpuclockid(::pthread_self(), &id) == 0 ? id : CLOCK_MONOTONIC;
    }();
    return clock;
}

std::chrono::nanoseconds time_of(clockid_t clock) {
    timespec time{};
    // A thread that has ended has no clock any more, and runs nothing.
    return ::clock_gettime(clock, &time) == 0
               ? std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec)
               : std::chrono::nanoseconds{0};
}

}  // namespace

RunWatch::Watched::Watched(std::function<void()> stop)
    : stop_(std::move(stop)), last_run_(was_stopped) {
    auto& watch = instance();
    const std::scoped_lock lock(watch.mutex_);
    watch.watched_.insert(this);
}

RunWatch::Watched::~Watched() {
    auto& watch = instance();
    const std::scoped_lock lock(watch.mutex_);
    watch.watched_.erase(this);
}

void RunWatch::Watched::begin() {
    clock_.store(clock_of_this_thread(), std::memory_order_relaxed);
    run_.store(++last_run_, std::memory_order_release);
}

bool RunWatch::Watched::end() {
    auto run = last_run_;
    if (run_.compare_exchange_strong(run, nothing_runs)) {
        return false;
    }
    while (run_.load(std::memory_order_acquire) == is_being_stopped) {
        std::this_thread::yield();
    }
    run_.store(nothing_runs, std::memory_order_relaxed);
    return true;
}

RunWatch::RunWatch() {
    std::thread([this] {
        while (true) {
            std::this_thread::sleep_for(look_interval);
            look();
        }
    }).detach();
}

RunWatch& RunWatch::instance() {
    // Never destroyed: its thread ends with the process.
    static auto& watch = *new RunWatch;  // NOLINT(cppcoreguidelines-owning-memory)
    return watch;
}

std::uint64_t RunWatch::stopped_count() {
    return instance().stopped_.load(std::memory_order_relaxed);
}

void RunWatch::look() {
    const std::scoped_lock lock(mutex_);
    for (auto* const watched : watched_) {
        look_at(*watched);
    }
}

void RunWatch::look_at(Watched& watched) {
    auto run = watched.run_.load(std::memory_order_acquire);
    if (run == nothing_runs || run == was_stopped) {
        return;
    }
    const auto time = time_of(watched.clock_.load(std::memory_order_relaxed));
    if (std::exchange(watched.seen_run_, run) != run) {
        watched.seen_time_ = time;
    } else if (time - watched.seen_time_ > run_time_max &&
               watched.run_.compare_exchange_strong(run, is_being_stopped)) {
        watched.stop_();
        stopped_.fetch_add(1, std::memory_order_relaxed);
        watched.run_.store(was_stopped, std::memory_order_release);
    }
}

}  // namespace millrace::expressions
