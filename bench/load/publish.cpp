#include <atomic>
#include <memory>
#include <thread>

#include "bench/load/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

std::uint64_t micros_between(SteadyClock::time_point begin, SteadyClock::time_point end) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(end - begin).count());
}

/// One closed loop: never more than `outstanding` events unacked.
class Loop {
  public:
    Loop(const std::string& brokers, const PublishLoad& load, std::uint32_t number)
        : load_(load),
          client_({.brokers = brokers, .client_name = "bench-" + std::to_string(number)}),
          producer_(client_.producer(load.topic)),
          next_partition_(number % load.partitions) {}

    void run(const std::atomic<bool>& measuring, const std::atomic<bool>& stopping) {
        const std::string value(load_.event_bytes, 'x');
        for (std::uint64_t sent = 0; !stopping.load(std::memory_order_relaxed); ++sent) {
            for (auto done = done_.load(); sent - done >= load_.outstanding; done = done_.load()) {
                done_.wait(done);
            }
            producer_.send({.value = value, .partition = next_partition_},
                           [this, begin = SteadyClock::now(), &measuring](
                               const RecordPlace&, const std::exception_ptr& error) {
                               settle(begin, error, measuring);
                           });
            next_partition_ = (next_partition_ + 1) % load_.partitions;
        }
        producer_.flush();
    }

    [[nodiscard]] const LatencyHistogram& latency() const { return latency_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }

  private:
    // Runs on the client's thread, which alone touches the histogram until the loop has ended.
    void settle(SteadyClock::time_point begin,
                const std::exception_ptr& error,
                const std::atomic<bool>& measuring) {
        if (error != nullptr) {
            ++failed_;
        } else if (measuring.load(std::memory_order_relaxed)) {
            latency_.add(micros_between(begin, SteadyClock::now()));
        }
        done_.fetch_add(1, std::memory_order_release);
        done_.notify_one();
    }

    PublishLoad load_;
    LatencyHistogram latency_;
    std::uint64_t failed_ = 0;
    std::atomic<std::uint64_t> done_{0};
    Client client_;
    Producer producer_;
    std::uint32_t next_partition_;
};

}  // namespace

PublishFigures run_publish(const std::string& brokers, const PublishLoad& load) {
    Client setup({.brokers = brokers});
    setup.admin().ensure_topic({.name = load.topic, .partition_count = load.partitions});
    std::vector<std::unique_ptr<Loop>> loops;
    for (std::uint32_t i = 0; i < load.producers; ++i) {
        loops.push_back(std::make_unique<Loop>(brokers, load, i));
    }
    std::atomic<bool> measuring{false};
    std::atomic<bool> stopping{false};
    std::vector<std::jthread> threads;
    threads.reserve(loops.size());
    for (auto& loop : loops) {
        threads.emplace_back([&loop, &measuring, &stopping] { loop->run(measuring, stopping); });
    }
    std::this_thread::sleep_for(load.warm_up);
    measuring = true;
    const auto begin = SteadyClock::now();
    std::this_thread::sleep_for(load.duration);
    measuring = false;
    const auto elapsed_us = micros_between(begin, SteadyClock::now());
    stopping = true;
    threads.clear();
    PublishFigures figures;
    for (const auto& loop : loops) {
        figures.latency.merge(loop->latency());
        figures.failed += loop->failed();
    }
    figures.events_per_second =
        static_cast<double>(figures.latency.count()) * 1e6 / static_cast<double>(elapsed_us);
    return figures;
}

}  // namespace millrace::bench
