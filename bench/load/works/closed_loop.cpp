#include "bench/load/works/closed_loop.hpp"

#include <utility>

#include "millrace/client.hpp"

namespace millrace::bench {

using SteadyClock = std::chrono::steady_clock;

std::uint64_t micros_between(SteadyClock::time_point begin, SteadyClock::time_point end) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(end - begin).count());
}

class ClosedLoops::Loop {
  public:
    Loop(const std::string& brokers,
         const PublishLoad& load,
         std::uint32_t number,
         const Phase& phase)
        : load_(load),
          value_(load.event_bytes, 'x'),
          phase_(phase),
          events_max_(events_of(load, number)),
          next_event_(number),
          client_({.brokers = brokers, .client_name = "bench-" + std::to_string(number)}),
          producer_(client_.producer(load.topic)) {}

    /// Opens the window.
    void start() {
        for (std::uint32_t i = 0; i < load_.outstanding; ++i) {
            send();
        }
    }
    void finish() { producer_.flush(); }
    /// Not before all of its events are settled.
    void wait() const {
        for (auto settled = settled_.load(); settled < events_max_; settled = settled_.load()) {
            settled_.wait(settled);
        }
    }

    [[nodiscard]] const LatencyHistogram& latency() const { return latency_; }
    [[nodiscard]] std::uint64_t failed() const { return failed_; }

  private:
    /// This producer's share of the events; without a number there is no end.
    [[nodiscard]] static std::uint64_t events_of(const PublishLoad& load, std::uint32_t number) {
        const bool takes_one_more = number < load.events % load.producers;
        return load.events == 0 ? UINT64_MAX
                                : load.events / load.producers + (takes_one_more ? 1 : 0);
    }

    void send() {
        if (sent_.fetch_add(1, std::memory_order_relaxed) >= events_max_) {
            return;
        }
        OutgoingRecord event{.value = value_};
        if (load_.spreads) {
            event.partition = partition_of(next_event_.fetch_add(1, std::memory_order_relaxed));
        }
        producer_.send(
            std::move(event),
            [this, begin = SteadyClock::now()](
                const RecordPlace&, const std::exception_ptr& error) { settle(begin, error); });
    }

    /// In turn over all, or over the first alone as often as the skew says.
    [[nodiscard]] std::uint32_t partition_of(std::uint32_t event) const {
        // A step that has no factor in common with their number visits them all, far apart.
        constexpr std::uint64_t skew_steps = 1'000;
        constexpr std::uint64_t stride = 617;
        const auto step = static_cast<double>(event * stride % skew_steps);
        const bool is_skewed = step < load_.skew * static_cast<double>(skew_steps);
        return is_skewed ? 0 : event % load_.partitions;
    }

    // Runs on the client's thread, which alone touches the histogram until the loop has ended.
    void settle(SteadyClock::time_point begin, const std::exception_ptr& error) {
        if (error != nullptr) {
            ++failed_;
        } else if (phase_.is_measuring.load(std::memory_order_relaxed)) {
            latency_.add(micros_between(begin, SteadyClock::now()));
        }
        if (settled_.fetch_add(1) + 1 == events_max_) {
            settled_.notify_all();
        }
        if (!phase_.is_stopping.load(std::memory_order_relaxed)) {
            send();
        }
    }

    PublishLoad load_;
    std::string value_;
    const Phase& phase_;
    LatencyHistogram latency_;
    std::uint64_t failed_ = 0;
    std::uint64_t events_max_;
    std::atomic<std::uint64_t> sent_{0};
    std::atomic<std::uint64_t> settled_{0};
    std::atomic<std::uint32_t> next_event_;
    Client client_;
    Producer producer_;
};

ClosedLoops::ClosedLoops(const std::string& brokers, const PublishLoad& load) {
    for (std::uint32_t i = 0; i < load.producers; ++i) {
        loops_.push_back(std::make_unique<Loop>(brokers, load, i, phase_));
    }
}

ClosedLoops::~ClosedLoops() {
    phase_.is_stopping = true;
}

void ClosedLoops::start() {
    for (const auto& loop : loops_) {
        loop->start();
    }
}

void ClosedLoops::begin_measuring() {
    phase_.is_measuring = true;
    measured_from_ = SteadyClock::now();
}

void ClosedLoops::end_measuring() {
    phase_.is_measuring = false;
    measured_us_ = micros_between(measured_from_, SteadyClock::now());
}

void ClosedLoops::wait_for_events() const {
    for (const auto& loop : loops_) {
        loop->wait();
    }
}

PublishFigures ClosedLoops::finish() {
    phase_.is_stopping = true;
    for (const auto& loop : loops_) {
        loop->finish();
    }
    PublishFigures figures;
    for (const auto& loop : loops_) {
        figures.latency.merge(loop->latency());
        figures.failed += loop->failed();
    }
    figures.events = figures.latency.count();
    figures.events_per_second =
        static_cast<double>(figures.events) * 1e6 / static_cast<double>(measured_us_);
    return figures;
}

}  // namespace millrace::bench
