#include "broker/runtime/manual_runtime.hpp"

#include <algorithm>
#include <utility>

#include "storage/io/disk.hpp"

namespace millrace::broker {

Result<Endpoint> ManualRuntime::listen(const Endpoint& endpoint, Accept accept) {
    accept_ = std::move(accept);
    return endpoint;
}

void ManualRuntime::connect(const Endpoint& endpoint, Duration /*timeout*/, Connected done) {
    post([to = format_endpoint(endpoint), done = std::move(done)] {
        (void)done(
            fail(Errc::connection_lost, "cannot connect to " + to + ": there is no network"));
    });
}

std::size_t ManualRuntime::turn() {
    auto events = disk_.run_completions();
    events += timers_.run_due(clock_.steady_now());
    for (auto count = posted_.size(); count > 0; --count) {
        const auto task = std::move(posted_.front());
        posted_.pop_front();
        task();
        ++events;
    }
    for (const auto& task : end_of_turn_) {
        task();
    }
    return events;
}

void ManualRuntime::run_until_idle() {
    // The first idle turn may have handed something to the disk at its end.
    for (int idle = 0; idle < 2;) {
        idle = turn() == 0 ? idle + 1 : 0;
    }
}

void ManualRuntime::advance(Duration by) {
    const auto end = clock_.steady_now() + by;
    run_until_idle();
    while (clock_.steady_now() < end) {
        const auto next = timers_.next();
        const auto step = next && *next < end ? std::max(*next - clock_.steady_now(), Duration(1))
                                              : end - clock_.steady_now();
        clock_.advance(step);
        run_until_idle();
    }
}

}  // namespace millrace::broker
