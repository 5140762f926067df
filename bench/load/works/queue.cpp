#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/works/closed_loop.hpp"
#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint32_t credit = 4096;
constexpr std::uint64_t products = 10;  ///< different error texts

/// Events in turn over the keys; all are durable when it returns.
void publish_backlog(const std::string& brokers, const QueueLoad& load) {
    Client client({.brokers = brokers});
    client.admin().ensure_topic({.name = load.topic, .partition_count = load.partitions});
    auto producer = client.producer(load.topic);
    const std::string value(load.event_bytes, 'x');
    for (std::uint64_t number = 0; number < load.events; ++number) {
        producer.send({.key = "key-" + std::to_string(number % load.keys), .value = value},
                      [](const RecordPlace&, const std::exception_ptr&) {});
    }
    producer.flush();
}

/// Takes records and settles each by itself, until all consumers together have had enough.
class Consumer {
  public:
    Consumer(const std::string& brokers, const QueueLoad& load, std::atomic<std::uint64_t>& settled)
        : client_({.brokers = brokers, .client_name = "bench-queue"}),
          subscription_(client_.subscribe(load.subscription, {.credit = credit})),
          events_(load.deliveries),
          makes_letters_(load.makes_letters),
          settled_(settled),
          outage_end_(SteadyClock::now() + load.outage),
          first_settled_(SteadyClock::time_point::max()),
          thread_([this] { run(); }) {}

    void join() { thread_.join(); }
    [[nodiscard]] std::uint64_t stale() const { return stale_; }
    [[nodiscard]] std::uint32_t attempts_max() const { return attempts_max_; }
    /// The first settlement of all, where it was this one's.
    [[nodiscard]] SteadyClock::time_point first_settled() const { return first_settled_; }

  private:
    void run() {
        while (settled_ < events_) {
            const auto deliveries = subscription_.poll(std::chrono::milliseconds(20));
            for (auto delivery : deliveries) {
                settle(delivery);
            }
        }
        stale_ = subscription_.flush();
    }

    void settle(Delivery& delivery) {
        attempts_max_ = std::max(attempts_max_, delivery.attempt());
        if (SteadyClock::now() < outage_end_) {
            delivery.nack({.cause = Cause::outage, .error = "connection refused"});
            return;
        }
        if (++settled_ == 1) {
            first_settled_ = SteadyClock::now();
        }
        if (makes_letters_) {
            const auto product = delivery.record().offset % products;
            delivery.nack(
                {.cause = Cause::mapping, .error = "no product CH-" + std::to_string(product)});
        } else {
            delivery.ack();
        }
    }

    Client client_;
    Subscription subscription_;
    std::uint64_t events_;
    bool makes_letters_;
    std::atomic<std::uint64_t>& settled_;
    SteadyClock::time_point outage_end_;
    SteadyClock::time_point first_settled_;
    std::uint32_t attempts_max_ = 0;
    std::uint64_t stale_ = 0;
    std::thread thread_;
};

}  // namespace

QueueFigures run_queue(const std::string& brokers, QueueLoad load) {
    publish_backlog(brokers, load);
    if (load.deliveries == 0) {
        load.deliveries = load.events;
    }
    Client setup({.brokers = brokers});
    setup.admin().ensure_subscription({.name = load.subscription,
                                       .topics = {load.topic},
                                       .order = load.order,
                                       .window = load.window});
    std::atomic<std::uint64_t> settled{0};
    const auto begin = SteadyClock::now();
    const auto outage_end = begin + load.outage;
    std::vector<std::unique_ptr<Consumer>> consumers;
    for (std::uint32_t i = 0; i < load.consumers; ++i) {
        consumers.push_back(std::make_unique<Consumer>(brokers, load, settled));
    }
    QueueFigures figures;
    for (const auto& consumer : consumers) {
        consumer->join();
        figures.stale += consumer->stale();
        figures.attempts_max = std::max(figures.attempts_max, consumer->attempts_max());
        if (consumer->first_settled() != SteadyClock::time_point::max()) {
            figures.first_ack_ms = micros_between(outage_end, consumer->first_settled()) / 1000;
        }
    }
    const auto end = SteadyClock::now();
    figures.drained_ms = micros_between(outage_end, end) / 1000;
    const std::chrono::duration<double> elapsed = end - begin;
    figures.deliveries = settled;
    figures.deliveries_per_second = static_cast<double>(figures.deliveries) / elapsed.count();
    return figures;
}

}  // namespace millrace::bench
