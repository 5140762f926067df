#include <random>
#include <stdexcept>

#include "bench/load/works/closed_loop.hpp"
#include "bench/load/works/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// Append time of the first record from there on.
std::int64_t first_time(Client& client, ConsumerOptions from) {
    from.partition = 0;
    auto consumer = client.consumer(std::move(from));
    const auto records = consumer.poll(std::chrono::seconds(5), 1);
    if (records.empty()) {
        throw std::runtime_error("no record came within 5 s");
    }
    return records.front().append_time_us;
}

/// From the first record's moment to the last one's.
std::uniform_int_distribution<std::int64_t> moments_of(Client& client, const std::string& topic) {
    const auto partition = client.admin().describe_topic(topic).partitions.front();
    if (partition.next_offset == partition.first_offset) {
        throw std::runtime_error("partition 0 of \"" + topic + "\" is empty");
    }
    const auto first = first_time(client, {.topics = {topic}});
    const auto last =
        first_time(client, {.topics = {topic}, .start_offset = partition.next_offset - 1});
    return std::uniform_int_distribution<std::int64_t>(first, last);
}

}  // namespace

LatencyHistogram run_seek(const std::string& brokers, const SeekLoad& load) {
    Client client({.brokers = brokers, .client_name = "bench-seek"});
    auto moments = moments_of(client, load.topic);
    std::mt19937_64 random(load.seed);
    LatencyHistogram latency;
    for (std::uint32_t number = 0; number < load.seeks; ++number) {
        const StartPosition moment{.at = StartAt::time, .time_us = moments(random)};
        const auto begin = SteadyClock::now();
        (void)first_time(client, {.topics = {load.topic}, .start = moment});
        latency.add(micros_between(begin, SteadyClock::now()));
    }
    return latency;
}

}  // namespace millrace::bench
