#include "broker/delivery/jobs/job_threads.hpp"

#include <condition_variable>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include "broker/runtime/thread_turns.hpp"

namespace millrace::broker::delivery {
namespace {

class SystemThreads final : public JobThreads {
  public:
    void start(std::function<void()> body) override {
        threads_.emplace_back([body = std::move(body)] {
            (void)::pthread_setname_np(::pthread_self(), "job");
            give_way_to_shards();
            body();
        });
    }
    void join() override {
        for (auto& thread : threads_) {
            thread.join();
        }
        threads_.clear();
    }
    bool wait(std::unique_lock<std::mutex>& lock,
              std::optional<Duration> time,
              const std::function<bool()>& is_over) override {
        if (time) {
            return changed_.wait_for(lock, *time, is_over);
        }
        changed_.wait(lock, is_over);
        return true;
    }
    void wake() override { changed_.notify_all(); }

  private:
    std::condition_variable changed_;
    std::vector<std::thread> threads_;
};

}  // namespace

std::unique_ptr<JobThreads> make_job_threads() {
    return std::make_unique<SystemThreads>();
}

}  // namespace millrace::broker::delivery
