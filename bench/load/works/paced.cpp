#include <algorithm>
#include <cstring>
#include <thread>

#include "bench/load/works/closed_loop.hpp"
#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {

using SteadyClock = std::chrono::steady_clock;

namespace {

void stamp(std::string& value, SteadyClock::time_point due) {
    const std::int64_t due_ns = due.time_since_epoch().count();
    std::memcpy(value.data(), &due_ns, std::min(value.size(), sizeof(due_ns)));
}

}  // namespace

PacedFigures run_paced(Client& client, const PacedLoad& load) {
    auto producer = client.producer(load.topic);
    const std::string value(load.event_bytes, 'x');
    const auto gap = std::chrono::nanoseconds(std::chrono::seconds(1)) / load.rate;
    const auto begin = SteadyClock::now();
    const auto measured_from = begin + load.warm_up;
    const auto end = measured_from + load.duration;
    PacedFigures figures;  // written on the client's thread, read when all is acked
    const auto settle = [&latency = figures.acked, measured_from](SteadyClock::time_point due,
                                                                  const std::exception_ptr& error) {
        if (error == nullptr && due >= measured_from) {
            latency.add(micros_between(due, SteadyClock::now()));
        }
    };
    for (auto due = begin; due < end; due += gap) {
        std::this_thread::sleep_until(due);
        OutgoingRecord event{.value = value};
        if (load.is_stamped) {
            stamp(event.value, due);
        }
        event.partition = static_cast<std::uint32_t>(figures.events++ % load.partitions);
        producer.send(std::move(event),
                      [&settle, due](const RecordPlace&, const std::exception_ptr& error) {
                          settle(due, error);
                      });
    }
    producer.flush();
    return figures;
}

PacedFigures run_paced_alone(const std::string& brokers, const PacedLoad& load) {
    Client client({.brokers = brokers, .client_name = "bench-paced"});
    client.admin().ensure_topic({.name = load.topic, .partition_count = load.partitions});
    return run_paced(client, load);
}

}  // namespace millrace::bench
