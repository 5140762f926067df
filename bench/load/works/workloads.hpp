#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bench/load/histogram.hpp"

#include "millrace/subscription.hpp"

namespace millrace {
class Client;
}

namespace millrace::bench {

struct PublishLoad {
    std::string topic = "bench.load.event.made";
    std::uint32_t partitions = 100;
    std::uint32_t producers = 1;
    std::uint32_t outstanding = 1024;  ///< events per producer that are sent and not yet acked
    std::size_t event_bytes = 256;
    /// Spread: event after event over all partitions, as keys of a plant do. Else the client
    /// chooses, and fills a batch before it turns to the next partition.
    bool spreads = true;
    double skew = 0;  ///< this share of the events goes to the first partition; with `spreads`
    /// So many in all, and none is left out; 0: as many as go within the time.
    std::uint64_t events = 0;
    std::chrono::milliseconds duration{5'000};
    std::chrono::milliseconds warm_up{1'000};
};
struct PublishFigures {
    std::uint64_t events = 0;  ///< measured and acked
    double events_per_second = 0;
    LatencyHistogram latency;
    std::uint64_t failed = 0;
};
/// Creates the topic where it is missing. Every producer has a client, and so a connection, of its
/// own.
[[nodiscard]] PublishFigures run_publish(const std::string& brokers, const PublishLoad& load);

/// A critical topic with a steady trickle, alone and then beside bulk producers at full speed.
struct PacedLoad {
    std::string topic = "bench.paced.event.made";
    std::uint32_t partitions = 4;
    std::uint32_t rate = 500;  ///< events per second
    std::size_t event_bytes = 256;
    bool is_stamped = false;  ///< a value begins with the time at which it was meant to go
    std::chrono::milliseconds duration{5'000};
    std::chrono::milliseconds warm_up{1'000};
};
struct PacedFigures {
    LatencyHistogram acked;
    std::uint64_t events = 0;  ///< all, also those of the warm-up
};
/// An open loop: events go at their times whether the earlier ones are acked or not, and latency
/// counts from the time at which an event was meant to go. The topic must be there.
[[nodiscard]] PacedFigures run_paced(Client& client, const PacedLoad& load);
/// The same with a client of its own; creates the topic where it is missing.
[[nodiscard]] PacedFigures run_paced_alone(const std::string& brokers, const PacedLoad& load);

struct EndToEndFigures {
    LatencyHistogram acked;
    LatencyHistogram read;  ///< to the moment at which a consumer has it
};
/// As `run_paced`, with a consumer. Creates the topic where it is missing.
[[nodiscard]] EndToEndFigures run_end_to_end(const std::string& brokers, PacedLoad load);

/// Many topics at once, as after a night without a network.
struct BurstLoad {
    std::string topic = "bench.burst.event.made";  ///< with a number behind it
    std::uint32_t topics = 100;
    std::uint32_t events_a_topic = 10'000;
    std::size_t event_bytes = 256;
};
struct BurstFigures {
    std::uint64_t events = 0;
    std::uint64_t acked_ms = 0;  ///< from the first event to the last ack
    std::uint64_t read_ms = 0;   ///< from the first event to the last one read
};
/// Creates the topics where they are missing. One producer a topic and one consumer, with a
/// connection for each side.
[[nodiscard]] BurstFigures run_burst(const std::string& brokers, const BurstLoad& load);

struct SeekLoad {
    std::string topic = "bench.load.event.made";
    std::uint32_t seeks = 1'000;
    std::uint64_t seed = 1;
};
/// From asking for a random moment of the topic's first partition to the first record behind it:
/// the offset of that time, and a fetch.
[[nodiscard]] LatencyHistogram run_seek(const std::string& brokers, const SeekLoad& load);

/// Posts to an HTTP door, at a steady rate.
struct HttpLoad {
    std::string host = "127.0.0.1";
    std::string port = "7118";
    std::string path = "/";
    /// `{record}` in it becomes a number that `repeats` requests in a row have in common.
    std::string body;
    std::uint64_t first_record = 1;
    std::uint32_t repeats = 1;
    std::vector<std::pair<std::string, std::string>> headers;
    std::uint32_t rate = 1'000;  ///< requests per second
    std::uint32_t connections = 64;
    bool keeps_connections = true;  ///< else each request has a connection of its own
    std::chrono::milliseconds duration{5'000};
    std::chrono::milliseconds warm_up{1'000};
    std::chrono::seconds answer_timeout{30};
};
struct HttpFigures {
    std::uint64_t requests = 0;  ///< all, also those of the warm-up
    std::uint64_t failed = 0;    ///< of those: no answer, or one that is not 2xx
    std::string failure;         ///< what the last of them was
    LatencyHistogram latency;    ///< of the measured ones that succeeded
};
/// An open loop: requests go at their times whether the earlier ones are answered or not, as long
/// as one of `connections` is free, and latency counts from the time at which a request was meant
/// to go, with the time to connect.
[[nodiscard]] HttpFigures run_http(const HttpLoad& load);

struct CriticalityLoad {
    PacedLoad critical{.topic = "bench.critical.event.made"};
    PublishLoad bulk{.topic = "bench.bulk.event.made",
                     .partitions = 16,
                     .producers = 4,
                     .outstanding = 16'384,
                     .spreads = false};
};
struct CriticalityFigures {
    LatencyHistogram alone;
    LatencyHistogram beside_bulk;
    PublishFigures bulk;
};
/// Creates the topics where they are missing.
[[nodiscard]] CriticalityFigures run_criticality(const std::string& brokers,
                                                 const CriticalityLoad& load);

struct ReadLoad {
    std::string topic = "bench.load.event.made";
    std::uint32_t consumers = 1;  ///< each with its connection, and each reads all
    std::uint64_t events = 0;     ///< of all consumers, then it ends; 0: all that is there
};
struct ReadFigures {
    std::uint64_t events = 0;
    double events_per_second = 0;
    double mebibytes_per_second = 0;  ///< of values
};
/// Reads what the topic holds, from the beginning.
[[nodiscard]] ReadFigures run_read(const std::string& brokers, const ReadLoad& load);

struct QueueLoad {
    std::string topic = "bench.queue.event.made";
    std::string subscription = "bench-queue";
    std::uint64_t events = 1'000'000;
    std::uint64_t deliveries = 0;    ///< after which it ends; 0: one for each event
    bool makes_letters = false;      ///< each record is refused and becomes a dead letter
    std::chrono::seconds outage{0};  ///< the target is out for so long at first
    std::uint32_t partitions = 100;
    std::uint64_t keys = 10'000;
    std::uint32_t consumers = 1;
    std::uint32_t window = 16'384;
    Order order = Order::by_key;
    std::size_t event_bytes = 256;
};
struct QueueFigures {
    std::uint64_t deliveries = 0;
    double deliveries_per_second = 0;  ///< from the first consumer's start to the last durable ack
    std::uint32_t attempts_max = 0;    ///< the highest that a record came with
    std::uint64_t first_ack_ms = 0;    ///< from the end of the outage
    std::uint64_t drained_ms = 0;      ///< from the end of the outage
    std::uint64_t stale = 0;
};
/// Publishes a backlog, then takes and settles it record by record through a queue
/// subscription, which is created where it is missing.
[[nodiscard]] QueueFigures run_queue(const std::string& brokers, QueueLoad load);

struct FloorFigures {
    std::size_t write_bytes = 0;
    double writes_per_second = 0;
    std::uint64_t p50_us = 0;
    std::uint64_t p99_us = 0;
};
/// Overwrites a file of zeros that was written before, with O_DIRECT and RWF_DSYNC, one write
/// outstanding.
[[nodiscard]] std::vector<FloorFigures> run_floor(const std::string& directory,
                                                  const std::vector<std::size_t>& write_bytes,
                                                  std::chrono::milliseconds duration);

}  // namespace millrace::bench
