#include <algorithm>
#include <exception>
#include <iostream>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "bench/load/workloads.hpp"

#include "millrace/client.hpp"

namespace millrace::bench {
namespace {

nlohmann::json to_json(const LatencyHistogram& latency) {
    return {{"p50_us", latency.percentile(0.5)},
            {"p99_us", latency.percentile(0.99)},
            {"p999_us", latency.percentile(0.999)},
            {"p9999_us", latency.percentile(0.9999)},
            {"max_us", latency.max()}};
}

void report_publish(const PublishLoad& load, const PublishFigures& figures) {
    const nlohmann::json result{{"work", "publish"},
                                {"producers", load.producers},
                                {"outstanding", load.outstanding},
                                {"event_bytes", load.event_bytes},
                                {"partitions", load.partitions},
                                {"spreads", load.spreads},
                                {"events_per_second", figures.events_per_second},
                                {"failed", figures.failed},
                                {"latency", to_json(figures.latency)}};
    std::cout << result.dump() << '\n';
}

void report_criticality(const CriticalityLoad& load, const CriticalityFigures& figures) {
    const auto ratio = [&](double share) {
        const auto alone = std::max<std::uint64_t>(figures.alone.percentile(share), 1);
        return static_cast<double>(figures.beside_bulk.percentile(share)) /
               static_cast<double>(alone);
    };
    const nlohmann::json result{{"work", "criticality"},
                                {"critical_rate", load.critical.rate},
                                {"bulk_producers", load.bulk.producers},
                                {"bulk_outstanding", load.bulk.outstanding},
                                {"event_bytes", load.critical.event_bytes},
                                {"alone", to_json(figures.alone)},
                                {"beside_bulk", to_json(figures.beside_bulk)},
                                {"ratio_p50", ratio(0.5)},
                                {"ratio_p99", ratio(0.99)},
                                {"bulk_events_per_second", figures.bulk.events_per_second},
                                {"bulk_failed", figures.bulk.failed},
                                {"bulk_latency", to_json(figures.bulk.latency)}};
    std::cout << result.dump() << '\n';
}

void report_read(const ReadFigures& figures) {
    const nlohmann::json result{{"work", "read"},
                                {"events", figures.events},
                                {"events_per_second", figures.events_per_second},
                                {"value_mebibytes_per_second", figures.mebibytes_per_second}};
    std::cout << result.dump() << '\n';
}

void report_queue(const QueueLoad& load, const QueueFigures& figures) {
    const nlohmann::json result{{"work", "queue"},
                                {"events", load.events},
                                {"keys", load.keys},
                                {"partitions", load.partitions},
                                {"consumers", load.consumers},
                                {"order", load.order == Order::by_key ? "key" : "none"},
                                {"deliveries", figures.deliveries},
                                {"deliveries_per_second", figures.deliveries_per_second},
                                {"outage_s", load.outage.count()},
                                {"attempts_max", figures.attempts_max},
                                {"first_ack_ms", figures.first_ack_ms},
                                {"drained_ms", figures.drained_ms},
                                {"stale", figures.stale}};
    std::cout << result.dump() << '\n';
}

void report_paced(const PacedLoad& load, const LatencyHistogram& latency) {
    const nlohmann::json result{{"work", "paced"},
                                {"rate", load.rate},
                                {"event_bytes", load.event_bytes},
                                {"events", latency.count()},
                                {"latency", to_json(latency)}};
    std::cout << result.dump() << '\n';
}

LatencyHistogram run_paced_alone(const std::string& brokers, const PacedLoad& load) {
    Client client({.brokers = brokers, .client_name = "bench-paced"});
    client.admin().ensure_topic({.name = load.topic, .partition_count = load.partitions});
    return run_paced(client, load);
}

const CLI::App* add_paced(CLI::App& app, PacedLoad& load, std::uint32_t& seconds) {
    auto* const work =
        app.add_subcommand("paced", "a fixed rate in an open loop, latency from the intended time");
    work->add_option("--topic", load.topic, "topic; created where missing");
    work->add_option("--partitions", load.partitions, "partitions of the topic")
        ->check(CLI::PositiveNumber);
    work->add_option("--rate", load.rate, "events per second")->check(CLI::PositiveNumber);
    work->add_option("--seconds", seconds, "measured time, after one second of warming up")
        ->check(CLI::PositiveNumber);
    return work;
}

void add_queue_options(CLI::App& command, QueueLoad& load) {
    command.add_option("--topic", load.topic, "topic; created where missing");
    command.add_option("--events", load.events, "backlog that is published first")
        ->check(CLI::PositiveNumber);
    command.add_option("--deliveries", load.deliveries, "end after so many; one for each event");
    command.add_option("--subscription", load.subscription, "queue; created where missing");
    command.add_option_function<std::uint32_t>(
        "--outage",
        [&load](std::uint32_t seconds) { load.outage = std::chrono::seconds(seconds); },
        "the target is out for so many seconds at first");
    command.add_flag("--letters", load.makes_letters, "refuse each record: a dead letter each");
    command.add_option("--keys", load.keys, "different keys")->check(CLI::PositiveNumber);
    command.add_option("--partitions", load.partitions, "partitions of the topic")
        ->check(CLI::PositiveNumber);
    command.add_option("--consumers", load.consumers, "consumers, each with its connection")
        ->check(CLI::PositiveNumber);
    command.add_option("--window", load.window, "records in flight, per shard");
    command.add_flag_callback(
        "--unordered", [&load] { load.order = Order::none; }, "order none instead of key");
}

void report_http(const HttpLoad& load, const HttpFigures& figures) {
    const nlohmann::json result{{"work", "http"},
                                {"rate", load.rate},
                                {"connections", load.connections},
                                {"keeps_connections", load.keeps_connections},
                                {"repeats", load.repeats},
                                {"requests", figures.requests},
                                {"failed", figures.failed},
                                {"failure", figures.failure},
                                {"measured", figures.latency.count()},
                                {"latency", to_json(figures.latency)}};
    std::cout << result.dump() << '\n';
}

void split_target(const std::string& target, HttpLoad& load) {
    const auto colon = target.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == target.size()) {
        throw CLI::ValidationError("--target", "\"" + target + "\" is not host:port");
    }
    load.host = target.substr(0, colon);
    load.port = target.substr(colon + 1);
}

void add_header(const std::string& line, HttpLoad& load) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos || colon == 0) {
        throw CLI::ValidationError("--header", "\"" + line + "\" is not \"Name: value\"");
    }
    load.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
}

const CLI::App* add_http(CLI::App& app, HttpLoad& load, std::uint32_t& seconds) {
    auto* const work =
        app.add_subcommand("http", "posts to an HTTP door at a fixed rate, in an open loop");
    work->add_option_function<std::string>(
            "--target",
            [&load](const std::string& target) { split_target(target, load); },
            "host:port of the door")
        ->required();
    work->add_option("--path", load.path, "what is posted to, with its query");
    work->add_option("--body", load.body, "{record} in it becomes a number");
    work->add_option("--first-record", load.first_record, "the first of those numbers");
    work->add_option("--repeats", load.repeats, "posts in a row with the same number")
        ->check(CLI::PositiveNumber);
    work->add_option_function<std::vector<std::string>>(
        "--header",
        [&load](const std::vector<std::string>& lines) {
            for (const auto& line : lines) {
                add_header(line, load);
            }
        },
        "a header, \"Name: value\"; may come again");
    work->add_option("--rate", load.rate, "posts per second")->check(CLI::PositiveNumber);
    work->add_option("--connections", load.connections, "connections at a time")
        ->check(CLI::PositiveNumber);
    work->add_flag("--keep-connections,!--connection-each",
                   load.keeps_connections,
                   "connections stay open (default), or each post has one of its own");
    work->add_option("--seconds", seconds, "measured time, after one second of warming up")
        ->check(CLI::PositiveNumber);
    return work;
}

void report_floor(const std::vector<FloorFigures>& all) {
    for (const auto& figures : all) {
        const nlohmann::json result{{"work", "floor"},
                                    {"write_bytes", figures.write_bytes},
                                    {"writes_per_second", figures.writes_per_second},
                                    {"p50_us", figures.p50_us},
                                    {"p99_us", figures.p99_us}};
        std::cout << result.dump() << '\n';
    }
}

const CLI::App* add_publish(CLI::App& app, PublishLoad& load, std::uint32_t& seconds) {
    auto* const work =
        app.add_subcommand("publish", "producers in a closed loop, every event acked");
    work->add_option("--topic", load.topic, "topic; created where missing");
    work->add_option("--partitions", load.partitions, "partitions of the topic")
        ->check(CLI::PositiveNumber);
    work->add_option("--producers", load.producers, "producers, each with its connection")
        ->check(CLI::PositiveNumber);
    work->add_option("--outstanding", load.outstanding, "unacked events per producer")
        ->check(CLI::PositiveNumber);
    work->add_option("--bytes", load.event_bytes, "bytes per event");
    work->add_flag("--spread,!--keyless",
                   load.spreads,
                   "events in turn over all partitions (default), or the client chooses");
    work->add_option("--seconds", seconds, "measured time, after one second of warming up")
        ->check(CLI::PositiveNumber);
    return work;
}

const CLI::App* add_criticality(CLI::App& app, CriticalityLoad& load, std::uint32_t& seconds) {
    auto* const work = app.add_subcommand(
        "criticality", "a critical topic's acks, alone and beside bulk producers at full speed");
    work->add_option("--rate", load.critical.rate, "critical events per second")
        ->check(CLI::PositiveNumber);
    work->add_option("--bulk-producers", load.bulk.producers, "each with its connection")
        ->check(CLI::PositiveNumber);
    work->add_option("--bulk-outstanding", load.bulk.outstanding, "unacked events of each")
        ->check(CLI::PositiveNumber);
    work->add_option("--seconds", seconds, "measured time of each half")
        ->check(CLI::PositiveNumber);
    return work;
}

int run(int argc, char** argv) {
    CLI::App app{
        "Measures a running Millrace broker, and the bare disk beside it. One JSON object a line."};
    app.require_subcommand(1);
    std::string brokers = "localhost:7117";
    app.add_option("--brokers", brokers, "host:port of the broker")->envname("MILLRACE_BROKERS");

    PublishLoad load;
    std::uint32_t seconds = 5;
    const auto* const publish = add_publish(app, load, seconds);

    CriticalityLoad classes;
    const auto* const criticality = add_criticality(app, classes, seconds);

    PacedLoad pace;
    const auto* const paced = add_paced(app, pace, seconds);

    HttpLoad posts;
    const auto* const http = add_http(app, posts, seconds);

    std::string read_topic = load.topic;
    auto* const read = app.add_subcommand("read", "catch-up read of a whole topic");
    read->add_option("--topic", read_topic, "topic");

    QueueLoad backlog;
    auto* const queue =
        app.add_subcommand("queue", "a backlog through a queue subscription, each record acked");
    add_queue_options(*queue, backlog);

    std::string directory = ".";
    std::vector<std::size_t> sizes{4096, 65536, 1048576};
    auto* const floor = app.add_subcommand("floor", "durable writes to the bare disk");
    floor->add_option("--directory", directory, "where the file is made");
    floor->add_option("--bytes", sizes, "sizes of a write, multiples of 4096");

    CLI11_PARSE(app, argc, argv);
    if (publish->parsed()) {
        load.duration = std::chrono::seconds(seconds);
        report_publish(load, run_publish(brokers, load));
    } else if (criticality->parsed()) {
        classes.critical.duration = std::chrono::seconds(seconds);
        report_criticality(classes, run_criticality(brokers, classes));
    } else if (paced->parsed()) {
        pace.duration = std::chrono::seconds(seconds);
        report_paced(pace, run_paced_alone(brokers, pace));
    } else if (http->parsed()) {
        posts.duration = std::chrono::seconds(seconds);
        report_http(posts, run_http(posts));
    } else if (read->parsed()) {
        report_read(run_read(brokers, read_topic));
    } else if (queue->parsed()) {
        report_queue(backlog, run_queue(brokers, backlog));
    } else if (floor->parsed()) {
        report_floor(run_floor(directory, sizes, std::chrono::seconds(1)));
    }
    return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
    try {
        return millrace::bench::run(argc, argv);
    } catch (const std::exception& error) {
        std::cerr << "millrace-bench: " << error.what() << '\n';
        return 1;
    }
}
