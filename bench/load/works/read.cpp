#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {

ReadFigures run_read(const std::string& brokers, const std::string& topic) {
    Client client({.brokers = brokers});
    auto consumer = client.consumer({.topics = {topic}});
    ReadFigures figures;
    std::uint64_t value_bytes = 0;
    const auto begin = std::chrono::steady_clock::now();
    while (!consumer.is_caught_up()) {
        for (const auto& record : consumer.poll(std::chrono::milliseconds(200))) {
            ++figures.events;
            value_bytes += record.value.size();
        }
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    figures.events_per_second = static_cast<double>(figures.events) / elapsed.count();
    figures.mebibytes_per_second =
        static_cast<double>(value_bytes) / elapsed.count() / (1024.0 * 1024.0);
    return figures;
}

}  // namespace millrace::bench
