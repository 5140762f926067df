#include "tests/simulation/lockstep_threads.hpp"

#include <algorithm>
#include <semaphore>
#include <thread>
#include <utility>

#include "storage/base/assert.hpp"

namespace millrace::simulation {

struct LockstepThreads::Thread {
    std::binary_semaphore go{0};
    std::binary_semaphore back{0};
    std::function<bool()> is_ready = [] { return true; };
    bool has_returned = false;
    std::thread thread;
};

namespace {

thread_local void* self = nullptr;  ///< the Thread that runs here

}  // namespace

LockstepThreads::LockstepThreads(broker::ManualRuntime& runtime) : runtime_(runtime) {
    runtime_.at_end_of_turn([this] { (void)run_ready(); });
}

LockstepThreads::~LockstepThreads() {
    MILLRACE_ASSERT(threads_.empty());
}

void LockstepThreads::start(std::function<void()> body) {
    auto& thread = *threads_.emplace_back(std::make_unique<Thread>());
    thread.thread = std::thread([&thread, body = std::move(body)] {
        thread.go.acquire();
        self = &thread;
        body();
        thread.has_returned = true;
        thread.back.release();
    });
}

void LockstepThreads::join() {
    const auto is_over = [this] {
        return std::ranges::all_of(threads_, [](const auto& one) { return one->has_returned; });
    };
    constexpr int idle_max = 1'000;  // turns, not time: the clock stands still
    for (int idle = 0; !is_over(); ++idle) {
        MILLRACE_ASSERT(idle < idle_max);
        if (has_power_) {
            runtime_.turn();
        } else {
            (void)run_ready();
        }
    }
    for (const auto& thread : threads_) {
        thread->thread.join();
    }
    threads_.clear();
}

std::size_t LockstepThreads::run_ready() {
    std::size_t count = 0;
    for (const auto& thread : threads_) {
        if (!thread->has_returned && thread->is_ready()) {
            thread->go.release();
            thread->back.acquire();
            ++count;
        }
    }
    return count;
}

void LockstepThreads::stand_still(std::function<bool()> is_ready) {
    auto& thread = *static_cast<Thread*>(self);
    thread.is_ready = std::move(is_ready);
    thread.back.release();
    thread.go.acquire();
}

bool LockstepThreads::wait(std::unique_lock<std::mutex>& lock,
                           std::optional<Duration> time,
                           const std::function<bool()>& is_over) {
    const auto& clock = runtime_.clock();
    const auto deadline = time ? std::optional(clock.steady_now() + *time) : std::nullopt;
    if (time && has_power_) {
        runtime_.run_after(*time, [] {});  // so that the clock stops there
    }
    lock.unlock();
    stand_still([&] { return is_over() || (deadline && clock.steady_now() >= *deadline); });
    lock.lock();
    return is_over();
}

bool LockstepThreads::wait_for_answer(const std::function<bool()>& is_there) {
    stand_still([&] { return is_there() || !has_power_; });
    return has_power_ && is_there();
}

}  // namespace millrace::simulation
