#include <future>
#include <vector>

#include "bench/load/works/closed_loop.hpp"
#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;
constexpr std::uint64_t micros_a_millisecond = 1'000;

std::vector<std::string> make_topics(const std::string& brokers, const BurstLoad& load) {
    Client setup({.brokers = brokers});
    std::vector<std::string> names;
    for (std::uint32_t number = 0; number < load.topics; ++number) {
        names.push_back(load.topic + std::to_string(number));
        setup.admin().ensure_topic({.name = names.back(), .partition_count = 1});
    }
    return names;
}

/// Reads until it has seen them all; when that was.
SteadyClock::time_point read_all(Consumer consumer, std::uint64_t events) {
    for (std::uint64_t seen = 0; seen < events;) {
        seen += consumer.poll(std::chrono::milliseconds(200)).size();
    }
    return SteadyClock::now();
}

}  // namespace

BurstFigures run_burst(const std::string& brokers, const BurstLoad& load) {
    const auto names = make_topics(brokers, load);
    Client reading({.brokers = brokers, .client_name = "bench-burst-reader"});
    Client writing({.brokers = brokers, .client_name = "bench-burst-writer"});
    BurstFigures figures{.events = std::uint64_t{load.topics} * load.events_a_topic};
    auto all_read = std::async(std::launch::async, [&] {
        return read_all(reading.consumer({.topics = names, .start = {.at = StartAt::latest}}),
                        figures.events);
    });
    std::vector<Producer> producers;
    producers.reserve(names.size());
    for (const auto& name : names) {
        producers.push_back(writing.producer(name));
    }
    const std::string value(load.event_bytes, 'x');
    const auto ignore = [](const RecordPlace&, const std::exception_ptr&) {};
    const auto begin = SteadyClock::now();
    for (std::uint32_t number = 0; number < load.events_a_topic; ++number) {
        for (auto& producer : producers) {
            producer.send({.value = value}, ignore);
        }
    }
    for (auto& producer : producers) {
        producer.flush();
    }
    figures.acked_ms = micros_between(begin, SteadyClock::now()) / micros_a_millisecond;
    figures.read_ms = micros_between(begin, all_read.get()) / micros_a_millisecond;
    return figures;
}

}  // namespace millrace::bench
