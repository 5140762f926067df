#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "bench/load/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::uint32_t credit = 4096;

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

/// Takes records and acknowledges each by itself, until all consumers together have had the
/// backlog.
class Consumer {
  public:
    Consumer(const std::string& brokers, const QueueLoad& load, std::atomic<std::uint64_t>& acked)
        : client_({.brokers = brokers, .client_name = "bench-queue"}),
          subscription_(client_.subscribe(load.subscription, {.credit = credit})),
          events_(load.events),
          acked_(acked),
          thread_([this] { run(); }) {}

    void join() { thread_.join(); }
    [[nodiscard]] std::uint64_t stale() const { return stale_; }

  private:
    void run() {
        while (acked_ < events_) {
            const auto deliveries = subscription_.poll(std::chrono::milliseconds(20));
            for (auto delivery : deliveries) {
                delivery.ack();
            }
            acked_ += deliveries.size();
        }
        stale_ = subscription_.flush();
    }

    Client client_;
    Subscription subscription_;
    std::uint64_t events_;
    std::atomic<std::uint64_t>& acked_;
    std::uint64_t stale_ = 0;
    std::thread thread_;
};

}  // namespace

QueueFigures run_queue(const std::string& brokers, const QueueLoad& load) {
    publish_backlog(brokers, load);
    Client setup({.brokers = brokers});
    setup.admin().ensure_subscription({.name = load.subscription,
                                       .topics = {load.topic},
                                       .order = load.order,
                                       .window = load.window});
    std::atomic<std::uint64_t> acked{0};
    const auto begin = SteadyClock::now();
    std::vector<std::unique_ptr<Consumer>> consumers;
    for (std::uint32_t i = 0; i < load.consumers; ++i) {
        consumers.push_back(std::make_unique<Consumer>(brokers, load, acked));
    }
    QueueFigures figures;
    for (const auto& consumer : consumers) {
        consumer->join();
        figures.stale += consumer->stale();
    }
    const std::chrono::duration<double> elapsed = SteadyClock::now() - begin;
    figures.deliveries = acked;
    figures.deliveries_per_second = static_cast<double>(figures.deliveries) / elapsed.count();
    return figures;
}

}  // namespace millrace::bench
