#include "bench/load/report.hpp"

#include <algorithm>
#include <cstdio>

#include <nlohmann/json.hpp>

namespace millrace::bench {
namespace {

using Json = nlohmann::json;

Json to_json(const LatencyHistogram& latency) {
    return {{"p50_us", latency.percentile(0.5)},
            {"p99_us", latency.percentile(0.99)},
            {"p999_us", latency.percentile(0.999)},
            {"p9999_us", latency.percentile(0.9999)},
            {"max_us", latency.max()}};
}

using Latencies = std::vector<std::pair<std::string, LatencyHistogram>>;

Report make_report(Json figures, Latencies latencies = {}) {
    for (const auto& [name, latency] : latencies) {
        figures[name] = to_json(latency);
    }
    return {.json = figures.dump(), .latencies = std::move(latencies)};
}

double ratio(const CriticalityFigures& figures, double share) {
    const auto alone = std::max<std::uint64_t>(figures.alone.percentile(share), 1);
    return static_cast<double>(figures.beside_bulk.percentile(share)) / static_cast<double>(alone);
}

}  // namespace

Report report(const PublishLoad& load, const PublishFigures& figures) {
    return make_report({{"work", "publish"},
                        {"producers", load.producers},
                        {"outstanding", load.outstanding},
                        {"event_bytes", load.event_bytes},
                        {"partitions", load.partitions},
                        {"spreads", load.spreads},
                        {"events", figures.events},
                        {"events_per_second", figures.events_per_second},
                        {"failed", figures.failed}},
                       {{"latency", figures.latency}});
}

Report report(const PacedLoad& load, const PacedFigures& figures) {
    return make_report({{"work", "paced"},
                        {"rate", load.rate},
                        {"event_bytes", load.event_bytes},
                        {"events", figures.acked.count()}},
                       {{"latency", figures.acked}});
}

Report report(const PacedLoad& load, const EndToEndFigures& figures) {
    return make_report({{"work", "end_to_end"},
                        {"rate", load.rate},
                        {"event_bytes", load.event_bytes},
                        {"events", figures.read.count()}},
                       {{"acked", figures.acked}, {"read", figures.read}});
}

Report report(const BurstLoad& load, const BurstFigures& figures) {
    return make_report({{"work", "burst"},
                        {"topics", load.topics},
                        {"events_a_topic", load.events_a_topic},
                        {"event_bytes", load.event_bytes},
                        {"acked_ms", figures.acked_ms},
                        {"read_ms", figures.read_ms}});
}

Report report(const CriticalityLoad& load, const CriticalityFigures& figures) {
    return make_report({{"work", "criticality"},
                        {"critical_rate", load.critical.rate},
                        {"bulk_producers", load.bulk.producers},
                        {"bulk_outstanding", load.bulk.outstanding},
                        {"event_bytes", load.critical.event_bytes},
                        {"ratio_p50", ratio(figures, 0.5)},
                        {"ratio_p99", ratio(figures, 0.99)},
                        {"bulk_events_per_second", figures.bulk.events_per_second},
                        {"bulk_failed", figures.bulk.failed}},
                       {{"alone", figures.alone},
                        {"beside_bulk", figures.beside_bulk},
                        {"bulk_latency", figures.bulk.latency}});
}

Report report(const ReadLoad& load, const ReadFigures& figures) {
    return make_report({{"work", "read"},
                        {"consumers", load.consumers},
                        {"events", figures.events},
                        {"events_per_second", figures.events_per_second},
                        {"value_mebibytes_per_second", figures.mebibytes_per_second}});
}

Report report(const SeekLoad& load, const LatencyHistogram& latency) {
    return make_report({{"work", "seek"}, {"seeks", load.seeks}}, {{"latency", latency}});
}

Report report(const QueueLoad& load, const QueueFigures& figures) {
    return make_report({{"work", "queue"},
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
                        {"stale", figures.stale}});
}

Report report(const HttpLoad& load, const HttpFigures& figures) {
    return make_report({{"work", "http"},
                        {"rate", load.rate},
                        {"connections", load.connections},
                        {"keeps_connections", load.keeps_connections},
                        {"repeats", load.repeats},
                        {"requests", figures.requests},
                        {"failed", figures.failed},
                        {"failure", figures.failure},
                        {"measured", figures.latency.count()}},
                       {{"latency", figures.latency}});
}

Report report(const PeerLoad& load, const PublishFigures& figures) {
    return make_report({{"work", "peer"},
                        {"protocol", load.protocol},
                        {"producers", load.producers},
                        {"outstanding", load.outstanding},
                        {"event_bytes", load.event_bytes},
                        {"streams", load.streams},
                        {"in_a_row", load.in_a_row},
                        {"events_per_second", figures.events_per_second}},
                       {{"latency", figures.latency}});
}

Report report(const FloorFigures& figures) {
    return make_report({{"work", "floor"},
                        {"write_bytes", figures.write_bytes},
                        {"writes_per_second", figures.writes_per_second},
                        {"p50_us", figures.p50_us},
                        {"p99_us", figures.p99_us}});
}

std::string bars_of(const LatencyHistogram& latency) {
    constexpr std::uint64_t bar_columns = 60;
    const auto by_power = latency.by_power_of_two();
    std::uint64_t most = 1;
    for (const auto& [upto_us, count] : by_power) {
        most = std::max(most, count);
    }
    std::string text;
    for (const auto& [upto_us, count] : by_power) {
        std::array<char, 48> head{};
        (void)std::snprintf(head.data(),
                            head.size(),
                            "%12llu us %12llu ",
                            static_cast<unsigned long long>(upto_us),
                            static_cast<unsigned long long>(count));
        // What is there is seen, however little it is.
        const auto columns = (count * bar_columns + most - 1) / most;
        text += head.data() + std::string(columns, '#') + "\n";
    }
    return text;
}

}  // namespace millrace::bench
