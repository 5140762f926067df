#include <algorithm>
#include <ostream>

#include <nlohmann/json.hpp>

#include "client/cli/app/options.hpp"
#include "client/cli/commands/commands.hpp"
#include "client/cli/text/quantity_text.hpp"
#include "client/cli/text/table.hpp"
#include "client/cli/text/time_text.hpp"
#include "client/cli/views/json_views.hpp"

namespace millrace::cli {
namespace {

struct NoOptions {};

std::string health_of(const ShardStatus& shard) {
    if (shard.failed) {
        return "FAILED: " + shard.failure;
    }
    if (shard.out_of_space) {
        return "OUT OF SPACE: publishes are refused";
    }
    return shard.frames_quarantined == 0
               ? "ok"
               : format_count(shard.frames_quarantined) + " damaged frames set aside";
}

ExitCode print_status(Session& session, const NoOptions&) {
    const NodeStatus status = session.admin().status();
    if (session.is_json()) {
        print_json(session, to_json(status));
        return ExitCode::ok;
    }
    Facts facts;
    facts.append("broker", session.globals().brokers + ", version " + status.version);
    facts.append("cluster", status.cluster_id + ", node " + std::to_string(status.node_id));
    facts.append("up",
                 format_duration(std::chrono::milliseconds{static_cast<std::int64_t>(
                     std::min<std::uint64_t>(status.uptime_ms, INT64_MAX / 1'000))}));
    facts.append("memory", format_bytes(status.resident_bytes));
    facts.append("holds",
                 format_count(status.topics) + " topics, " + format_count(status.partitions) +
                     " partitions, " + format_count(status.subscriptions) + " subscriptions");
    facts.print(session.out());
    session.out() << '\n';
    Table table({{"SHARD", Align::right},
                 {"PARTITIONS", Align::right},
                 {"CONNECTIONS", Align::right},
                 {"IN", Align::right},
                 {"OUT", Align::right},
                 {"LOG", Align::right},
                 {"LIVE", Align::right},
                 {"SEGMENTS", Align::right},
                 {"DISK FREE", Align::right},
                 {"STATE"}});
    for (const ShardStatus& shard : status.shards) {
        table.append({std::to_string(shard.shard),
                      format_count(shard.partitions),
                      format_count(shard.connections),
                      format_count(shard.records_in),
                      format_count(shard.records_out),
                      format_bytes(shard.log_bytes),
                      format_bytes(shard.live_bytes),
                      format_count(shard.segments) + "+" + format_count(shard.segments_free),
                      format_bytes(shard.disk_free_bytes),
                      health_of(shard)});
    }
    table.print(session.out());
    return ExitCode::ok;
}

ExitCode print_version(Session& session, const NoOptions&) {
    if (session.is_json()) {
        print_json(session, {{"version", MILLRACE_VERSION}});
    } else {
        session.out() << "millrace " << MILLRACE_VERSION << '\n';
    }
    return ExitCode::ok;
}

}  // namespace

void add_status_commands(Registry& registry) {
    add_command(registry,
                {"status",
                 "Show the broker's shards, disk and counters",
                 "millrace status\n"
                 "millrace status --output json | jq '.shards[].records_in'"},
                std::make_shared<NoOptions>(),
                print_status);
    add_command(registry,
                {"version", "Print this command's version", "millrace version"},
                std::make_shared<NoOptions>(),
                print_version);
}

}  // namespace millrace::cli
