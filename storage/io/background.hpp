#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace millrace::storage {

/// Runs jobs one after another on a thread of its own, which is there from the first job until the
/// owner lets it rest, and hands their endings back to the owner.
///
/// Promise:  endings run on the owner's thread, from `run_endings`, in order. The destructor waits
/// for the job that runs; others are dropped. Threads:  the owner's.
class Background {
  public:
    enum class Mode : std::uint8_t { thread, inline_in_owner };
    using Ending = std::function<void()>;
    using Job =
        std::function<Ending()>;  ///< runs on the thread; gives what the owner is to do afterwards

    explicit Background(Mode mode) : mode_(mode) {}
    Background(const Background&) = delete;
    Background& operator=(const Background&) = delete;
    Background(Background&&) = delete;
    Background& operator=(Background&&) = delete;
    ~Background() { end_thread(); }

    [[nodiscard]] static constexpr Mode mode_of(bool is_inline) {
        return is_inline ? Mode::inline_in_owner : Mode::thread;
    }

    void start(Job job);
    void run_endings();
    /// Waits until every job has ended and has run the endings.
    void finish();
    /// The thread is not needed for now. **Requires** that no job is left.
    void rest();

  private:
    void run();
    void end_thread();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<Job> jobs_;
    std::deque<Ending> endings_;
    std::atomic<bool> has_endings_{false};
    bool is_busy_ = false;
    bool is_stopping_ = false;
    Mode mode_;
    std::thread thread_;
};

}  // namespace millrace::storage
