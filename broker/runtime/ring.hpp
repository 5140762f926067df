#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include <liburing.h>

#include "broker/runtime/ring_tables.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

/// Something the kernel was asked to do. Lives until its last completion.
class RingOperation {
  public:
    enum class Kind : std::uint8_t { disk, other };

    explicit RingOperation(Kind kind) : kind_(kind) {}
    RingOperation(const RingOperation&) = delete;
    RingOperation& operator=(const RingOperation&) = delete;
    RingOperation(RingOperation&&) = delete;
    RingOperation& operator=(RingOperation&&) = delete;
    virtual ~RingOperation() = default;

    /// `flags` are the completion's; IORING_CQE_F_MORE says that more will follow.
    virtual void complete(std::int32_t result, std::uint32_t flags) = 0;
    [[nodiscard]] Kind kind() const { return kind_; }

  private:
    Kind kind_;
};

/// One io_uring. The first thread that submits owns it.
///
/// Promise:  each completion reaches its operation exactly once. While only disk completions are
/// run, others wait for the next turn. Threads:  its owner's.
class Ring {
  public:
    [[nodiscard]] static Result<std::unique_ptr<Ring>> create(unsigned entries);
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    Ring(Ring&&) = delete;
    Ring& operator=(Ring&&) = delete;
    ~Ring();

    /// An empty entry for `operation`; submits by itself when the queue is full. Null: the
    /// completion is of no interest.
    [[nodiscard]] io_uring_sqe* prepare(RingOperation* operation);
    /// Submits what was prepared and waits for a completion, at most `wait_max_us`; 0 looks only.
    void submit_and_wait(std::int64_t wait_max_us);
    /// Runs what has completed; returns how many.
    std::size_t run_completions();
    /// Submits, waits for at least one completion, and runs those of the disk.
    void wait_for_disk();

    [[nodiscard]] int descriptor() const { return ring_.ring_fd; }
    [[nodiscard]] io_uring* native() { return &ring_; }
    [[nodiscard]] RingTables& tables() { return *tables_; }

  private:
    Ring() = default;
    struct Completion {
        RingOperation* operation = nullptr;
        std::int32_t result = 0;
        std::uint32_t flags = 0;
    };
    /// Takes completions off the ring before any of them runs, because running one may ask for
    /// more.
    void collect();

    io_uring ring_{};
    std::optional<RingTables> tables_;
    std::deque<Completion> ready_;
};

/// A wait that the ring ends. For what lies below the runtime and its timers.
///
/// Promise:  each `start` is ended once, also after `cancel`; until then this object stays.
/// Threads:  the ring's owner.
class RingTimer final : public RingOperation {
  public:
    RingTimer(Ring& ring, std::function<void()> on_ended)
        : RingOperation(Kind::other), ring_(ring), on_ended_(std::move(on_ended)) {}

    /// **Requires** that it does not run.
    void start(std::chrono::milliseconds wait);
    /// Ends it with the next completions, if it runs.
    void cancel();
    [[nodiscard]] bool is_running() const { return is_running_; }
    void complete(std::int32_t result, std::uint32_t flags) override;

  private:
    Ring& ring_;
    std::function<void()> on_ended_;
    __kernel_timespec wait_{};
    bool is_running_ = false;
};

}  // namespace millrace::broker
