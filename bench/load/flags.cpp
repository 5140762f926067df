#include "bench/load/flags.hpp"

#include <memory>

#include <CLI/CLI.hpp>

namespace millrace::bench {
namespace {

/// Settings live as long as the plan that runs with them.
template <class Load>
using Shared = std::shared_ptr<Load>;

template <class Load>
void add_seconds(CLI::App& work, const Shared<Load>& load, const std::string& what) {
    work.add_option_function<std::uint32_t>(
            "--seconds",
            [load](std::uint32_t seconds) { load->duration = std::chrono::seconds(seconds); },
            what + "; 5 without")
        ->check(CLI::PositiveNumber);
}

/// What the subcommand runs: `work` of a broker and the settings.
template <class Load, class Work>
void set_run(CLI::App& command, Plan& plan, const Shared<Load>& load, Work work) {
    command.callback([&plan, load, work] {
        plan.run = [&plan, load, work] {
            return std::vector{report(*load, work(plan.brokers, *load))};
        };
    });
}

void add_partitions(CLI::App& work, std::uint32_t& partitions) {
    work.add_option("--partitions", partitions, "partitions of the topic")
        ->check(CLI::PositiveNumber);
}
void add_producers(CLI::App& work, std::uint32_t& producers, std::uint32_t& outstanding) {
    work.add_option("--producers", producers, "producers, each with its connection")
        ->check(CLI::PositiveNumber);
    work.add_option("--outstanding", outstanding, "unacked events per producer")
        ->check(CLI::PositiveNumber);
}

constexpr const char* after_warming_up = "measured time, after one second of warming up";

void add_publish(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<PublishLoad>();
    auto& work = *app.add_subcommand("publish", "producers in a closed loop, every event acked");
    work.add_option("--topic", load->topic, "topic; created where missing");
    add_partitions(work, load->partitions);
    add_producers(work, load->producers, load->outstanding);
    work.add_option("--bytes", load->event_bytes, "bytes per event");
    work.add_flag("--spread,!--keyless",
                  load->spreads,
                  "events in turn over all partitions (default), or the client chooses");
    work.add_option("--events", load->events, "exactly so many, however long it takes");
    work.add_option("--skew", load->skew, "share of the events that go to the first partition")
        ->check(CLI::Range(0.0, 1.0));
    add_seconds(work, load, after_warming_up);
    set_run(work, plan, load, run_publish);
}

void add_paced(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<PacedLoad>();
    const auto is_end_to_end = std::make_shared<bool>(false);
    auto& work = *app.add_subcommand(
        "paced", "a fixed rate in an open loop, latency from the intended time");
    work.add_option("--topic", load->topic, "topic; created where missing");
    add_partitions(work, load->partitions);
    work.add_option("--rate", load->rate, "events per second")->check(CLI::PositiveNumber);
    work.add_option("--bytes", load->event_bytes, "bytes per event");
    work.add_flag("--end-to-end", *is_end_to_end, "also to the moment a consumer has it");
    add_seconds(work, load, after_warming_up);
    work.callback([load, is_end_to_end, &plan] {
        plan.run = [load, is_end_to_end, &plan] {
            return std::vector{*is_end_to_end
                                   ? report(*load, run_end_to_end(plan.brokers, *load))
                                   : report(*load, run_paced_alone(plan.brokers, *load))};
        };
    });
}

void add_burst(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<BurstLoad>();
    auto& work = *app.add_subcommand(
        "burst", "many topics at once: until all events are durable, and until all are read");
    work.add_option("--topics", load->topics, "topics; created where missing")
        ->check(CLI::PositiveNumber);
    work.add_option("--events", load->events_a_topic, "events a topic")->check(CLI::PositiveNumber);
    work.add_option("--bytes", load->event_bytes, "bytes per event");
    set_run(work, plan, load, run_burst);
}

void add_criticality(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<CriticalityLoad>();
    auto& work = *app.add_subcommand(
        "criticality", "a critical topic's acks, alone and beside bulk producers at full speed");
    work.add_option("--rate", load->critical.rate, "critical events per second")
        ->check(CLI::PositiveNumber);
    work.add_option("--bulk-producers", load->bulk.producers, "each with its connection")
        ->check(CLI::PositiveNumber);
    work.add_option("--bulk-outstanding", load->bulk.outstanding, "unacked events of each")
        ->check(CLI::PositiveNumber);
    add_seconds(work, Shared<PacedLoad>(load, &load->critical), "measured time of each half");
    set_run(work, plan, load, run_criticality);
}

void add_read(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<ReadLoad>();
    auto& work = *app.add_subcommand("read", "catch-up read of a topic from its beginning");
    work.add_option("--topic", load->topic, "topic");
    work.add_option("--consumers", load->consumers, "each with its connection, each reads all")
        ->check(CLI::PositiveNumber);
    work.add_option("--events", load->events, "of all consumers, then it ends; without: all");
    set_run(work, plan, load, run_read);
}

void add_seek(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<SeekLoad>();
    auto& work = *app.add_subcommand(
        "seek", "from a random moment of a partition to the first record behind it");
    work.add_option("--topic", load->topic, "topic; its first partition is asked");
    work.add_option("--seeks", load->seeks, "how often")->check(CLI::PositiveNumber);
    work.add_option("--seed", load->seed, "of the moments");
    set_run(work, plan, load, run_seek);
}

void add_queue(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<QueueLoad>();
    auto& work =
        *app.add_subcommand("queue", "a backlog through a queue subscription, each record acked");
    work.add_option("--topic", load->topic, "topic; created where missing");
    work.add_option("--events", load->events, "backlog that is published first")
        ->check(CLI::PositiveNumber);
    work.add_option("--deliveries", load->deliveries, "end after so many; one for each event");
    work.add_option("--subscription", load->subscription, "queue; created where missing");
    work.add_option_function<std::uint32_t>(
        "--outage",
        [load](std::uint32_t seconds) { load->outage = std::chrono::seconds(seconds); },
        "the target is out for so many seconds at first");
    work.add_flag("--letters", load->makes_letters, "refuse each record: a dead letter each");
    work.add_option("--keys", load->keys, "different keys")->check(CLI::PositiveNumber);
    add_partitions(work, load->partitions);
    work.add_option("--consumers", load->consumers, "consumers, each with its connection")
        ->check(CLI::PositiveNumber);
    work.add_option("--window", load->window, "records in flight, per shard");
    work.add_flag_callback(
        "--unordered", [load] { load->order = Order::none; }, "order none instead of key");
    set_run(work, plan, load, run_queue);
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

void add_http(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<HttpLoad>();
    auto& work =
        *app.add_subcommand("http", "posts to an HTTP door at a fixed rate, in an open loop");
    work.add_option_function<std::string>(
            "--target",
            [load](const std::string& target) { split_target(target, *load); },
            "host:port of the door")
        ->required();
    work.add_option("--path", load->path, "what is posted to, with its query");
    work.add_option("--body", load->body, "{record} in it becomes a number");
    work.add_option("--first-record", load->first_record, "the first of those numbers");
    work.add_option("--repeats", load->repeats, "posts in a row with the same number")
        ->check(CLI::PositiveNumber);
    work.add_option_function<std::vector<std::string>>(
        "--header",
        [load](const std::vector<std::string>& lines) {
            for (const auto& line : lines) {
                add_header(line, *load);
            }
        },
        "a header, \"Name: value\"; may come again");
    work.add_option("--rate", load->rate, "posts per second")->check(CLI::PositiveNumber);
    work.add_option("--connections", load->connections, "connections at a time")
        ->check(CLI::PositiveNumber);
    work.add_flag("--keep-connections,!--connection-each",
                  load->keeps_connections,
                  "connections stay open (default), or each post has one of its own");
    add_seconds(work, load, after_warming_up);
    work.callback([load, &plan] {
        plan.run = [load] { return std::vector{report(*load, run_http(*load))}; };
    });
}

void add_peer(CLI::App& app, Plan& plan) {
    const auto load = std::make_shared<PeerLoad>();
    auto& work = *app.add_subcommand(
        "peer", "another broker: producers in a closed loop, every event acked as it does");
    work.add_option("--protocol",
                    load->protocol,
                    "redis (streams), nats (JetStream), mqtt, rabbitmq (streams) or kafka")
        ->check(CLI::IsMember({"redis", "nats", "mqtt", "rabbitmq", "kafka"}));
    work.add_option("--port", load->port, "on the loopback address")->required();
    work.add_option("--streams", load->streams, "streams, subjects, topics or partitions, in turn")
        ->check(CLI::PositiveNumber);
    work.add_option("--in-a-row", load->in_a_row, "events for each before the next has its turn")
        ->check(CLI::PositiveNumber);
    add_producers(work, load->producers, load->outstanding);
    work.add_option("--bytes", load->event_bytes, "bytes per event");
    add_seconds(work, load, after_warming_up);
    work.callback([load, &plan] {
        plan.run = [load] { return std::vector{report(*load, run_peer(*load))}; };
    });
}

struct FloorSettings {
    std::string directory = ".";
    std::vector<std::size_t> sizes{4'096, 65'536, 1'048'576};
    std::chrono::milliseconds duration{1'000};
};

std::vector<Report> measure(const FloorSettings& settings) {
    std::vector<Report> reports;
    for (const auto& figures : run_floor(settings.directory, settings.sizes, settings.duration)) {
        reports.push_back(report(figures));
    }
    return reports;
}

void add_floor(CLI::App& app, Plan& plan) {
    const auto settings = std::make_shared<FloorSettings>();
    auto& work = *app.add_subcommand("floor", "durable writes to the bare disk");
    work.add_option("--directory", settings->directory, "where the file is made");
    work.add_option("--bytes", settings->sizes, "sizes of a write, multiples of 4096");
    work.callback([settings, &plan] { plan.run = [settings] { return measure(*settings); }; });
}

}  // namespace

void add_flags(CLI::App& app, Plan& plan) {
    app.require_subcommand(1);
    app.add_option("--brokers", plan.brokers, "host:port of the broker")
        ->envname("MILLRACE_BROKERS");
    app.add_flag("--histogram", plan.shows_histogram, "latencies as bars, too, on standard error");
    add_publish(app, plan);
    add_paced(app, plan);
    add_burst(app, plan);
    add_criticality(app, plan);
    add_read(app, plan);
    add_seek(app, plan);
    add_queue(app, plan);
    add_http(app, plan);
    add_peer(app, plan);
    add_floor(app, plan);
}

}  // namespace millrace::bench
