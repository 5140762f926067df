#include <cerrno>
#include <memory>
#include <system_error>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

#include "bench/load/closed_loop.hpp"
#include "bench/load/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// An open loop: events go at their times whether the earlier ones are acked or not, and latency
/// counts from the time at which an event was meant to go.
LatencyHistogram run_paced(Client& client, const CriticalityLoad& load) {
    auto producer = client.producer(load.critical_topic);
    const std::string value(load.event_bytes, 'x');
    const auto gap = std::chrono::nanoseconds(std::chrono::seconds(1)) / load.critical_rate;
    const auto begin = SteadyClock::now();
    const auto measured_from = begin + load.warm_up;
    const auto end = measured_from + load.duration;
    LatencyHistogram latency;  // written on the client's thread, read when all is acked
    std::uint32_t number = 0;
    for (auto due = begin; due < end; due += gap) {
        std::this_thread::sleep_until(due);
        OutgoingRecord event{.value = value};
        event.partition = number++ % load.critical_partitions;
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

/// Bulk producers whose threads have a low priority: they stand for machines of their own and must
/// not take the processor from the broker and from the producer whose latency is measured.
std::unique_ptr<ClosedLoops> make_in_background(const std::string& brokers,
                                                const PublishLoad& load) {
    constexpr int low_priority = 10;
    std::unique_ptr<ClosedLoops> loops;
    // A thread hands its priority down to those that it starts.
    std::thread([&] {
        const auto self = static_cast<id_t>(::gettid());
        if (::setpriority(PRIO_PROCESS, self, ::getpriority(PRIO_PROCESS, self) + low_priority) !=
            0) {
            throw std::system_error(errno, std::generic_category(), "priority of bulk producers");
        }
        loops = std::make_unique<ClosedLoops>(brokers, load);
    }).join();
    return loops;
}

}  // namespace

CriticalityFigures run_criticality(const std::string& brokers, const CriticalityLoad& load) {
    Client client({.brokers = brokers, .client_name = "bench-critical"});
    client.admin().ensure_topic({.name = load.critical_topic,
                                 .partition_count = load.critical_partitions,
                                 .criticality = Criticality::critical});
    client.admin().ensure_topic({.name = load.bulk.topic,
                                 .partition_count = load.bulk.partitions,
                                 .criticality = Criticality::bulk});
    CriticalityFigures figures;
    figures.alone = run_paced(client, load);
    const auto bulk = make_in_background(brokers, load.bulk);
    bulk->start();
    bulk->begin_measuring();
    figures.beside_bulk = run_paced(client, load);
    bulk->end_measuring();
    figures.bulk = bulk->finish();
    return figures;
}

}  // namespace millrace::bench
