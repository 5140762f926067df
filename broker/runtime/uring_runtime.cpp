#include "broker/runtime/uring_runtime.hpp"

#include <algorithm>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

namespace millrace::broker {
namespace {

constexpr std::int64_t idle_wait_us = 1'000'000;
constexpr int turns_to_close = 200;
constexpr std::int64_t close_wait_us = 5'000;

}  // namespace

UringRuntime::OutsideBell::OutsideBell(Ring& ring)
    : RingOperation(Kind::other), ring_(ring), descriptor_(::eventfd(0, EFD_CLOEXEC)) {}

UringRuntime::OutsideBell::~OutsideBell() {
    ::close(descriptor_);
}

void UringRuntime::OutsideBell::arm() {
    io_uring_prep_read(ring_.prepare(this), descriptor_, &value_, sizeof(value_), 0);
}

void UringRuntime::OutsideBell::ring_it() const {
    const std::uint64_t one = 1;
    // It can only fail when the counter is full, and then the reader is awake already.
    (void)!::write(descriptor_, &one, sizeof(one));
}

void UringRuntime::OutsideBell::complete(std::int32_t /*result*/, std::uint32_t /*flags*/) {
    arm();
}

Result<std::unique_ptr<UringRuntime>> UringRuntime::create(RuntimeOptions options,
                                                           const Clock& clock,
                                                           MetricsRegistry& metrics,
                                                           ShardMesh& mesh) {
    MILLRACE_TRY(auto ring, Ring::create(options.ring_entries));
    MILLRACE_TRY(auto buffers, ReceiveBuffers::create(*ring));
    return std::unique_ptr<UringRuntime>(new UringRuntime(
        options, clock, metrics, mesh, {.ring = std::move(ring), .buffers = std::move(buffers)}));
}

UringRuntime::UringRuntime(RuntimeOptions options,
                           const Clock& clock,
                           MetricsRegistry& metrics,
                           ShardMesh& mesh,
                           Rings rings)
    : options_(options),
      clock_(clock),
      mesh_(mesh),
      ring_(std::move(rings.ring)),
      disk_(*ring_),
      network_(*ring_, std::move(rings.buffers), options.connections_max, metrics, options.shard),
      bell_(*ring_),
      turns_(metrics.counter(
          "millrace_runtime_turns_total", "Turns of the reactor.", shard_label(options.shard))),
      turn_us_(metrics.histogram("millrace_runtime_turn_us",
                                 "Microseconds of a turn without its waiting.",
                                 shard_label(options.shard))) {
    mesh_.attach(options_.shard, {.ring = ring_->descriptor(), .operation = &knock_});
    bell_.arm();
}

UringRuntime::~UringRuntime() {
    mesh_.attach(options_.shard, {});
}

TimerId UringRuntime::run_after(Duration delay, Task task) {
    return timers_.add(clock_.steady_now() + delay, std::move(task));
}

void UringRuntime::post_to(ShardId shard, Task task) {
    if (shard == options_.shard) {
        post(std::move(task));
    } else {
        mesh_.post(options_.shard, shard, std::move(task));
    }
}

void UringRuntime::post_from_outside(Task task) {
    {
        const std::lock_guard lock(outside_mutex_);
        outside_.push_back(std::move(task));
    }
    bell_.ring_it();
}

Result<Endpoint> UringRuntime::listen(const Endpoint& endpoint, Accept accept) {
    return network_.listen(endpoint, std::move(accept));
}

Result<Endpoint> UringRuntime::listen_apart(const Endpoint& endpoint,
                                            std::size_t connections_max,
                                            Accept accept) {
    return network_.listen_apart(endpoint, connections_max, std::move(accept));
}

std::int64_t UringRuntime::wait_max_us() const {
    if (!posted_.empty()) {
        return 0;
    }
    if (mesh_.has_waiting(options_.shard)) {
        return 1'000;
    }
    const auto next = timers_.next();
    if (!next) {
        return idle_wait_us;
    }
    return std::clamp<std::int64_t>((*next - clock_.steady_now()).count(), 0, idle_wait_us);
}

std::size_t UringRuntime::run_posted() {
    // What a task posts waits for the next turn, so that a turn ends.
    const auto tasks = std::exchange(posted_, {});
    for (const auto& task : tasks) {
        task();
    }
    return tasks.size();
}

std::size_t UringRuntime::run_from_outside() {
    std::vector<Task> tasks;
    {
        const std::lock_guard lock(outside_mutex_);
        tasks.swap(outside_);
    }
    for (const auto& task : tasks) {
        task();
    }
    return tasks.size();
}

void UringRuntime::knock_at_others() {
    for (const auto shard : mesh_.flush(options_.shard)) {
        const auto door = mesh_.door(shard);
        if (door.ring >= 0 && shard != options_.shard) {
            auto* const entry = ring_->prepare(nullptr);
            io_uring_prep_msg_ring(
                entry, door.ring, 0, reinterpret_cast<std::uint64_t>(door.operation), 0);
            // Success is of no interest; user_data was set for the entry, not for the message.
            io_uring_sqe_set_data(entry, nullptr);
        }
    }
}

void UringRuntime::turn() {
    ring_->submit_and_wait(wait_max_us());
    const auto begin = clock_.steady_now();
    auto events = ring_->run_completions();
    events += mesh_.run_all(options_.shard);
    events += run_from_outside();
    events += timers_.run_due(clock_.steady_now());
    events += run_posted();
    if (events > 0) {
        for (const auto& task : end_of_turn_) {
            task();
        }
    }
    network_.flush();
    knock_at_others();
    turns_.add();
    turn_us_.observe(static_cast<std::uint64_t>((clock_.steady_now() - begin).count()));
}

void UringRuntime::run() {
    while (!is_stopping_.load(std::memory_order_relaxed)) {
        turn();
    }
    network_.stop_listening();
    network_.close_all(fail(Errc::shutting_down, "the broker is stopping"));
    for (int i = 0; i < turns_to_close && !network_.is_quiet(); ++i) {
        ring_->submit_and_wait(close_wait_us);
        ring_->run_completions();
        network_.flush();
    }
}

void UringRuntime::stop() {
    is_stopping_ = true;
    bell_.ring_it();
}

}  // namespace millrace::broker
