#include <atomic>
#include <future>
#include <vector>

#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

struct ReadCount {
    std::uint64_t events = 0;
    std::uint64_t value_bytes = 0;
};

/// Until everything is read, or `left` is used up by all who read.
ReadCount read_topic(const std::string& brokers,
                     const std::string& topic,
                     std::atomic<std::int64_t>& left) {
    Client client({.brokers = brokers, .client_name = "bench-read"});
    auto consumer = client.consumer({.topics = {topic}});
    ReadCount count;
    while (left.load() > 0 && !consumer.is_caught_up()) {
        const auto records = consumer.poll(std::chrono::milliseconds(200));
        left -= static_cast<std::int64_t>(records.size());
        count.events += records.size();
        for (const auto& record : records) {
            count.value_bytes += record.value.size();
        }
    }
    return count;
}

}  // namespace

ReadFigures run_read(const std::string& brokers, const ReadLoad& load) {
    std::atomic<std::int64_t> left =
        load.events > 0 ? static_cast<std::int64_t>(load.events) : INT64_MAX;
    const auto begin = std::chrono::steady_clock::now();
    std::vector<std::future<ReadCount>> readers;
    for (std::uint32_t number = 0; number < load.consumers; ++number) {
        readers.push_back(
            std::async(std::launch::async, [&] { return read_topic(brokers, load.topic, left); }));
    }
    ReadFigures figures;
    std::uint64_t value_bytes = 0;
    for (auto& reader : readers) {
        const auto count = reader.get();
        figures.events += count.events;
        value_bytes += count.value_bytes;
    }
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
    figures.events_per_second = static_cast<double>(figures.events) / elapsed.count();
    figures.mebibytes_per_second =
        static_cast<double>(value_bytes) / elapsed.count() / (1024.0 * 1024.0);
    return figures;
}

}  // namespace millrace::bench
