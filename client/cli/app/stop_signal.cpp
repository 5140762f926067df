#include "client/cli/app/stop_signal.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction is POSIX

namespace millrace::cli {
namespace {

std::atomic<bool> stop_requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_stop(int) {
    stop_requested.store(true);
}

}  // namespace

void watch_stop_signals() {
    struct sigaction action {};
    action.sa_handler = on_stop;
    action.sa_flags = static_cast<int>(SA_RESETHAND);  // not SA_RESTART: a read of stdin shall end
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
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
