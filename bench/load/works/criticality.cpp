#include <cerrno>
#include <memory>
#include <system_error>
#include <thread>

#include <sys/resource.h>
#include <unistd.h>

#include "bench/load/works/closed_loop.hpp"
#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

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
    client.admin().ensure_topic({.name = load.critical.topic,
                                 .partition_count = load.critical.partitions,
                                 .criticality = Criticality::critical});
    client.admin().ensure_topic({.name = load.bulk.topic,
                                 .partition_count = load.bulk.partitions,
                                 .criticality = Criticality::bulk});
    CriticalityFigures figures;
    figures.alone = run_paced(client, load.critical).acked;
    const auto bulk = make_in_background(brokers, load.bulk);
    bulk->start();
    bulk->begin_measuring();
    figures.beside_bulk = run_paced(client, load.critical).acked;
    bulk->end_measuring();
    figures.bulk = bulk->finish();
    return figures;
}

}  // namespace millrace::bench
