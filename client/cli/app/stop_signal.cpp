#include "client/cli/app/stop_signal.hpp"

#include <atomic>
#include <csignal>
#include <thread>

namespace millrace::cli {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_stop(int number) {
    stop_requested.store(true);
    std::signal(number, SIG_DFL);
}

}  // namespace

void watch_stop_signals() {
    std::signal(SIGINT, on_stop);
    std::signal(SIGTERM, on_stop);
}

bool is_stop_requested() {
    return stop_requested.load();
}

void wait_until(std::chrono::steady_clock::time_point time) {
    constexpr std::chrono::milliseconds step{50};
    for (auto now = std::chrono::steady_clock::now(); now < time && !is_stop_requested();
         now = std::chrono::steady_clock::now()) {
        std::this_thread::sleep_until(std::min(time, now + step));
    }
}

}  // namespace millrace::cli
