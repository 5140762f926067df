#include "broker/runtime/ring.hpp"

#include <system_error>

#include "storage/base/assert.hpp"

namespace millrace::broker {
namespace {

constexpr std::int64_t micros_per_second = 1'000'000;
constexpr std::int64_t nanos_per_micro = 1'000;

}  // namespace

Result<std::unique_ptr<Ring>> Ring::create(unsigned entries) {
    std::unique_ptr<Ring> ring(new Ring());
    // Older kernels refuse what they don't know; each step back costs speed only.
    const unsigned choices[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_CQSIZE,
        IORING_SETUP_CQSIZE};
    int code = 0;
    for (const auto flags : choices) {
        io_uring_params params{};
        params.flags = flags;
        params.cq_entries = entries * 4;
        code = io_uring_queue_init_params(entries, &ring->ring_, &params);
        if (code == 0) {
            ring->tables_.emplace(ring->ring_);
            // Spares a look-up at every turn; older kernels have none.
            (void)io_uring_register_ring_fd(&ring->ring_);
            return ring;
        }
    }
    ring->ring_.ring_fd = -1;
    return fail(
        Errc::io, "io_uring is not available: " + std::generic_category().message(-code), -code);
}

Ring::~Ring() {
    if (ring_.ring_fd >= 0) {
        io_uring_queue_exit(&ring_);
    }
}

io_uring_sqe* Ring::prepare(RingOperation* operation) {
    auto* entry = io_uring_get_sqe(&ring_);
    while (entry == nullptr) {
        io_uring_submit(&ring_);
        entry = io_uring_get_sqe(&ring_);
    }
    // The prep functions of liburing leave user_data alone.
    io_uring_sqe_set_data(entry, operation);
    return entry;
}

void Ring::submit_and_wait(std::int64_t wait_max_us) {
    if (wait_max_us == 0) {
        io_uring_submit_and_get_events(&ring_);
        return;
    }
    __kernel_timespec timeout{.tv_sec = wait_max_us / micros_per_second,
                              .tv_nsec = (wait_max_us % micros_per_second) * nanos_per_micro};
    io_uring_cqe* first = nullptr;
    // A time-out or a signal is no news: the turn looks at everything anyway.
    (void)io_uring_submit_and_wait_timeout(&ring_, &first, 1, &timeout, nullptr);
}

void Ring::collect() {
    io_uring_cqe* entry = nullptr;
    unsigned head = 0;
    unsigned count = 0;
    io_uring_for_each_cqe(&ring_, head, entry) {
        ++count;
        if (auto* const operation = static_cast<RingOperation*>(io_uring_cqe_get_data(entry))) {
            ready_.push_back({.operation = operation, .result = entry->res, .flags = entry->flags});
        }
    }
    io_uring_cq_advance(&ring_, count);
}

std::size_t Ring::run_completions() {
    collect();
    std::size_t count = 0;
    while (!ready_.empty()) {
        const auto completion = ready_.front();
        ready_.pop_front();
        completion.operation->complete(completion.result, completion.flags);
        ++count;
    }
    return count;
}

void Ring::wait_for_disk() {
    constexpr std::int64_t long_time_us = 1'000'000;
    collect();
    bool found = false;
    // Others stay in the queue, in order; a completion that runs here may add to it.
    for (std::size_t rounds = ready_.size(); rounds > 0; --rounds) {
        const auto completion = ready_.front();
        ready_.pop_front();
        if (completion.operation->kind() == RingOperation::Kind::disk) {
            completion.operation->complete(completion.result, completion.flags);
            found = true;
        } else {
            ready_.push_back(completion);
        }
    }
    if (!found) {
        submit_and_wait(long_time_us);
    }
}

void RingTimer::start(std::chrono::milliseconds wait) {
    MILLRACE_ASSERT(!is_running_);
    const auto seconds = std::chrono::floor<std::chrono::seconds>(wait);
    wait_ = {.tv_sec = seconds.count(),
             .tv_nsec = std::chrono::nanoseconds(wait - seconds).count()};
    is_running_ = true;
    io_uring_prep_timeout(ring_.prepare(this), &wait_, 0, 0);
}

void RingTimer::cancel() {
    if (is_running_) {
        auto* const operation = static_cast<RingOperation*>(this);
        io_uring_prep_timeout_remove(
            ring_.prepare(nullptr), reinterpret_cast<std::uint64_t>(operation), 0);
    }
}

void RingTimer::complete(std::int32_t /*result*/, std::uint32_t /*flags*/) {
    is_running_ = false;
    on_ended_();
}

}  // namespace millrace::broker
