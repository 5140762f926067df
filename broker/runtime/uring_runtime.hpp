#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "broker/runtime/mailbox.hpp"
#include "broker/runtime/runtime.hpp"
#include "broker/runtime/timer_queue.hpp"
#include "broker/runtime/uring_disk.hpp"
#include "broker/runtime/uring_network.hpp"

namespace millrace::broker {

struct RuntimeOptions {
    ShardId shard;
    std::size_t connections_max = 10'000;
    unsigned ring_entries = 1024;
};

/// The reactor of one shard over one io_uring.
///
/// Place:    below everything of a shard.
/// Promise:  see Runtime. One submit a turn carries the commit, everything to be sent and the
/// knocks at other shards. Threads:  made and run on the shard's thread; `stop` and
/// `post_from_outside` from any.
class UringRuntime final : public Runtime {
  public:
    [[nodiscard]] static Result<std::unique_ptr<UringRuntime>> create(RuntimeOptions options,
                                                                      const Clock& clock,
                                                                      MetricsRegistry& metrics,
                                                                      ShardMesh& mesh);
    UringRuntime(const UringRuntime&) = delete;
    UringRuntime& operator=(const UringRuntime&) = delete;
    UringRuntime(UringRuntime&&) = delete;
    UringRuntime& operator=(UringRuntime&&) = delete;
    ~UringRuntime() override;

    /// Turns until `stop`, then closes every connection and ends every `connect`.
    void run();
    void stop();

    [[nodiscard]] const Clock& clock() const override { return clock_; }
    [[nodiscard]] storage::Disk& disk() override { return disk_; }
    TimerId run_after(Duration delay, Task task) override;
    void cancel(TimerId timer) override { timers_.cancel(timer); }
    void post(Task task) override { posted_.push_back(std::move(task)); }
    void at_end_of_turn(Task task) override { end_of_turn_.push_back(std::move(task)); }
    void post_to(ShardId shard, Task task) override;
    void post_from_outside(Task task) override;
    [[nodiscard]] Result<Endpoint> listen(const Endpoint& endpoint, Accept accept) override;
    [[nodiscard]] Result<Endpoint> listen_apart(const Endpoint& endpoint,
                                                std::size_t connections_max,
                                                Accept accept) override;
    void stop_listening() override { network_.stop_listening(); }
    void connect(const Endpoint& endpoint, Duration timeout, Connected done) override {
        network_.connect(endpoint, timeout, std::move(done));
    }

  private:
    /// Another shard has knocked; the turn looks into all mailboxes anyway.
    class Knock final : public RingOperation {
      public:
        Knock() : RingOperation(Kind::other) {}
        void complete(std::int32_t /*result*/, std::uint32_t /*flags*/) override {}
    };
    /// Reads the eventfd that other threads write.
    class OutsideBell final : public RingOperation {
      public:
        explicit OutsideBell(Ring& ring);
        OutsideBell(const OutsideBell&) = delete;
        OutsideBell& operator=(const OutsideBell&) = delete;
        OutsideBell(OutsideBell&&) = delete;
        OutsideBell& operator=(OutsideBell&&) = delete;
        ~OutsideBell() override;
        void arm();
        void ring_it() const;
        void complete(std::int32_t result, std::uint32_t flags) override;

      private:
        Ring& ring_;
        int descriptor_;
        std::uint64_t value_ = 0;
    };

    struct Rings {
        std::unique_ptr<Ring> ring;
        std::unique_ptr<ReceiveBuffers> buffers;
    };
    UringRuntime(RuntimeOptions options,
                 const Clock& clock,
                 MetricsRegistry& metrics,
                 ShardMesh& mesh,
                 Rings rings);
    void turn();
    [[nodiscard]] std::int64_t wait_max_us() const;
    std::size_t run_posted();
    std::size_t run_from_outside();
    void knock_at_others();

    RuntimeOptions options_;
    const Clock& clock_;
    ShardMesh& mesh_;
    std::unique_ptr<Ring> ring_;
    UringDisk disk_;
    UringNetwork network_;
    TimerQueue timers_;
    Knock knock_;
    OutsideBell bell_;
    std::vector<Task> posted_;
    std::vector<Task> end_of_turn_;
    std::mutex outside_mutex_;
    std::vector<Task> outside_;
    std::atomic<bool> is_stopping_{false};
    Counter& turns_;
    Histogram& turn_us_;
};

}  // namespace millrace::broker
