#include <thread>

#include "bench/load/works/closed_loop.hpp"
#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {

PublishFigures run_publish(const std::string& brokers, const PublishLoad& load) {
    Client setup({.brokers = brokers});
    setup.admin().ensure_topic({.name = load.topic, .partition_count = load.partitions});
    ClosedLoops loops(brokers, load);
    if (load.events > 0) {
        loops.begin_measuring();
        loops.start();
        loops.wait_for_events();
    } else {
        loops.start();
        std::this_thread::sleep_for(load.warm_up);
        loops.begin_measuring();
        std::this_thread::sleep_for(load.duration);
    }
    loops.end_measuring();
    return loops.finish();
}

}  // namespace millrace::bench
