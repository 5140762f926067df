#include "storage/io/background.hpp"

#include <utility>

namespace millrace::storage {

void Background::end_thread() {
    {
        const std::lock_guard lock(mutex_);
        is_stopping_ = true;
        jobs_.clear();
    }
    changed_.notify_all();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void Background::rest() {
    if (thread_.joinable()) {
        end_thread();
        is_stopping_ = false;
    }
}

void Background::start(Job job) {
    if (mode_ == Mode::inline_in_owner) {
        endings_.push_back(job());
        has_endings_ = true;
        return;
    }
    {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    changed_.notify_all();
    if (!thread_.joinable()) {
        thread_ = std::thread([this] { run(); });
    }
}

void Background::run() {
    std::unique_lock lock(mutex_);
    while (true) {
        changed_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
        if (is_stopping_) {
            return;
        }
        const auto job = std::move(jobs_.front());
        jobs_.pop_front();
        is_busy_ = true;
        lock.unlock();
        auto ending = job();
        lock.lock();
        is_busy_ = false;
        endings_.push_back(std::move(ending));
        has_endings_ = true;
        changed_.notify_all();
    }
}

void Background::run_endings() {
    // Asked every turn, so the common answer costs no lock.
    while (has_endings_.load(std::memory_order_acquire)) {
        std::deque<Ending> ready;
        {
            const std::lock_guard lock(mutex_);
            ready.swap(endings_);
            has_endings_ = false;
        }
        std::erase(ready, nullptr);
        for (const auto& ending : ready) {
            ending();
        }
    }
}

void Background::finish() {
    while (true) {
        run_endings();
        std::unique_lock lock(mutex_);
        if (mode_ == Mode::inline_in_owner || (jobs_.empty() && !is_busy_ && endings_.empty())) {
            return;
        }
        changed_.wait(lock, [this] { return !endings_.empty(); });
    }
}

}  // namespace millrace::storage
