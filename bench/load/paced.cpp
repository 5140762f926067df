#include <thread>

#include "bench/load/closed_loop.hpp"
#include "bench/load/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {

using SteadyClock = std::chrono::steady_clock;

LatencyHistogram run_paced(Client& client, const PacedLoad& load) {
    auto producer = client.producer(load.topic);
    const std::string value(load.event_bytes, 'x');
    const auto gap = std::chrono::nanoseconds(std::chrono::seconds(1)) / load.rate;
    const auto begin = SteadyClock::now();
    const auto measured_from = begin + load.warm_up;
    const auto end = measured_from + load.duration;
    LatencyHistogram latency;  // written on the client's thread, read when all is acked
    std::uint32_t number = 0;
    for (auto due = begin; due < end; due += gap) {
        std::this_thread::sleep_until(due);
        OutgoingRecord event{.value = value};
        event.partition = number++ % load.partitions;
        producer.send(
            std::move(event),
            [&latency, due, measured_from](const RecordPlace&, const std::exception_ptr& error) {
                if (error == nullptr && due >= measured_from) {
                    latency.add(micros_between(due, SteadyClock::now()));
                }
            });
    }
    producer.flush();
    return latency;
}

}  // namespace millrace::bench
