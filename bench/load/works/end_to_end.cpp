#include <atomic>
#include <cstring>
#include <future>

#include "bench/load/works/closed_loop.hpp"
#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// When an event was meant to go: its value begins with that.
SteadyClock::time_point due_of(std::string_view value) {
    std::int64_t due_ns = 0;
    std::memcpy(&due_ns, value.data(), std::min(value.size(), sizeof(due_ns)));
    return SteadyClock::time_point(std::chrono::nanoseconds(due_ns));
}

/// How late those come that were meant to go since then.
void add_delays(const std::vector<Record>& records,
                SteadyClock::time_point from,
                LatencyHistogram& delays) {
    for (const auto& record : records) {
        if (const auto due = due_of(record.value); due >= from) {
            delays.add(micros_between(due, SteadyClock::now()));
        }
    }
}

}  // namespace

EndToEndFigures run_end_to_end(const std::string& brokers, PacedLoad load) {
    load.is_stamped = true;
    Client client({.brokers = brokers, .client_name = "bench-paced"});
    client.admin().ensure_topic({.name = load.topic, .partition_count = load.partitions});
    Client reading({.brokers = brokers, .client_name = "bench-paced-reader"});
    auto consumer = reading.consumer({.topics = {load.topic}, .start = {.at = StartAt::latest}});
    // Joins before the first event goes.
    (void)consumer.poll(std::chrono::milliseconds(1));
    EndToEndFigures figures;
    std::atomic<std::uint64_t> sent{UINT64_MAX};
    const auto measured_from = SteadyClock::now() + load.warm_up;
    auto reader = std::async(std::launch::async, [&] {
        for (std::uint64_t seen = 0; seen < sent.load();) {
            const auto records = consumer.poll(std::chrono::milliseconds(100));
            seen += records.size();
            add_delays(records, measured_from, figures.read);
        }
    });
    auto [acked, events] = run_paced(client, load);
    figures.acked = acked;
    sent = events;
    reader.get();
    return figures;
}

}  // namespace millrace::bench
