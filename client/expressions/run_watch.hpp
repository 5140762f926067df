#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <functional>
#include <mutex>
#include <set>

namespace millrace::expressions {

/// Stops what takes too much of a processor's time; time in which its thread waits for a processor
/// does not count. A thread of its own looks at what runs a few times a second, so that beginning
/// and ending a run cost no lock.
///
/// Threads:  any.
class RunWatch {
  public:
    /// What may be stopped. Runs one at a time, from `begin` to `end`.
    class Watched {
      public:
        /// `stop` is called from another thread while a run is under way.
        explicit Watched(std::function<void()> stop);
        Watched(const Watched&) = delete;
        Watched& operator=(const Watched&) = delete;
        Watched(Watched&&) = delete;
        Watched& operator=(Watched&&) = delete;
        ~Watched();

        void begin();
        /// True if the run was stopped.
        [[nodiscard]] bool end();

      private:
        friend class RunWatch;
        std::function<void()> stop_;
        std::atomic<std::uint64_t> run_{0};  ///< its number, or one of the values in the source
        std::atomic<clockid_t> clock_{};     ///< of the thread that runs
        std::uint64_t last_run_ = 0;
        std::uint64_t seen_run_ = 0;  ///< by the watch
        std::chrono::nanoseconds seen_time_{0};
    };

    static constexpr std::chrono::seconds run_time_max{2};

    /// Runs that were stopped since the start of the process.
    [[nodiscard]] static std::uint64_t stopped_count();

  private:
    RunWatch();
    static RunWatch& instance();
    void look();
    void look_at(Watched& watched);

    std::mutex mutex_;
    std::set<Watched*> watched_;
    std::atomic<std::uint64_t> stopped_{0};
};

}  // namespace millrace::expressions
