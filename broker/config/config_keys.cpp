#include "broker/config/config_keys.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "storage/base/text/edit_distance.hpp"

namespace millrace::broker {
namespace {

constexpr std::uint64_t port_max = 65'535;
constexpr std::uint64_t kibibyte = 1024;
constexpr std::uint64_t percent_max = 100;

const std::array keys{
    ConfigKey{"data_dir", &Config::data_dir, "Where everything is kept."},
    ConfigKey{"address", &Config::address, "IPv4 address of the native protocol."},
    ConfigKey{
        "port", &Config::port, "Port of the native protocol; 0 picks a free one.", 0, port_max},
    ConfigKey{
        "http_address",
        &Config::http_address,
        "Address of the HTTP door; nothing asks who comes in, so outside loopback put a proxy that "
        "does in front."},
    ConfigKey{
        "http_port", &Config::http_port, "Port of the HTTP door; 0 picks a free one.", 0, port_max},
    ConfigKey{"http_connections_max",
              &Config::http_connections_max,
              "HTTP connections; more are told so and closed.",
              1,
              100'000},
    ConfigKey{
        "http_header_bytes_max",
        &Config::http_header_bytes_max,
        "Bytes of a request's line and headers, and of what chunks carry besides their bytes.",
        kibibyte,
        56 * kibibyte},
    ConfigKey{"http_body_bytes_max",
              &Config::http_body_bytes_max,
              "Bytes of a request's body.",
              kibibyte,
              256ULL << 20U},
    ConfigKey{"http_bodies_bytes_max",
              &Config::http_bodies_bytes_max,
              "Bytes of all bodies that are being read or answered.",
              kibibyte},
    ConfigKey{"http_request_records_max",
              &Config::http_request_records_max,
              "Records of one request.",
              1,
              1'000'000},
    ConfigKey{"http_streams_max",
              &Config::http_streams_max,
              "Event streams at a time; each is a connection too."},
    ConfigKey{"http_request_timeout_ms",
              &Config::http_request_timeout_ms,
              "Time from the first byte of a request to its last.",
              100},
    ConfigKey{"http_idle_timeout_ms",
              &Config::http_idle_timeout_ms,
              "Time that a connection may stay without a request.",
              100},
    ConfigKey{"http_write_timeout_ms",
              &Config::http_write_timeout_ms,
              "Time for the other side to take an answer, or a piece of a stream.",
              100},
    ConfigKey{"hooks_file",
              &Config::hooks_file,
              "YAML file with hooks and webhook targets, docs/http.md; empty: none."},
    ConfigKey{"shards",
              &Config::shards,
              "Shards, one thread each; 0: one per core, or as many as the data directory has. May "
              "only grow.",
              0,
              64},
    ConfigKey{"node_id",
              &Config::node_id,
              "This node's number in its cluster, for good; 0: what the data directory has, or 1."},
    ConfigKey{
        "node_labels",
        &Config::node_labels,
        "Where this node stands and what else is to be known of it, as rack=a,plant=1; at most "
        "16, of letters, digits, \".\", \"_\" and \"-\". The others are told."},
    ConfigKey{"cluster_nodes",
              &Config::cluster_nodes,
              "Where the nodes of the cluster hear each other, the same text on each, as "
              "1=192.0.2.1:7201,2=192.0.2.2:7201,3=192.0.2.3:7201; shard n uses the port n above. "
              "Nothing asks who comes in: keep these ports to the cluster. Empty: this node stands "
              "alone."},
    ConfigKey{"cluster_election_timeout_ms",
              &Config::cluster_election_timeout_ms,
              "Without a word from the leader for one to two times this long, another is elected.",
              100,
              60'000},
    ConfigKey{
        "cluster_copy_bytes_per_second",
        &Config::cluster_copy_bytes_per_second,
        "Pace at which a node that was away gets what it missed from the leader's disk: a shard's "
        "entries, or a copy of it; 0: no limit."},
    ConfigKey{
        "cluster_compression",
        &Config::cluster_compression,
        "How what goes to other nodes is compressed where that makes it smaller: none, lz4 or "
        "zstd. Each node reads all of them."},
    ConfigKey{
        "cluster_voters_max",
        &Config::cluster_voters_max,
        "How many nodes vote at most, an odd number from 3 on: the others have everything, and "
        "take the place of one that is gone. 0: all vote.",
        0,
        99},
    ConfigKey{"cluster_spread_by",
              &Config::cluster_spread_by,
              "The label over whose values voters are spread, where not all vote."},
    ConfigKey{"cluster_replace_voter_after_ms",
              &Config::cluster_replace_voter_after_ms,
              "Time without a link to a voter after which another node takes its place, where not "
              "all vote; 0: never.",
              0,
              2'678'400'000},
    ConfigKey{"segment_bytes",
              &Config::segment_bytes,
              "Bytes of a log segment.",
              4ULL << 20U,
              1ULL << 32U},
    ConfigKey{"disk_reserve_bytes",
              &Config::disk_reserve_bytes,
              "Free space below which publishes are refused."},
    ConfigKey{"rewrite_below_live_percent",
              &Config::rewrite_below_live_percent,
              "A full segment of which less is alive is written anew, without the rest; 0: never.",
              0,
              100},
    ConfigKey{"rewrite_bytes_per_second",
              &Config::rewrite_bytes_per_second,
              "Pace of that and of clustering, per shard, read and written together; 0: no limit."},
    ConfigKey{"tail_cache_bytes_max",
              &Config::tail_cache_bytes_max,
              "Recent commits kept in memory, per shard.",
              4ULL << 20U},
    ConfigKey{"publish_bytes_pending_max",
              &Config::publish_bytes_pending_max,
              "Accepted and not yet durable bytes, per shard; more is refused. At most 56 MiB, for "
              "which the log has room."},
    ConfigKey{"publish_bulk_share_percent",
              &Config::publish_bulk_share_percent,
              "How much of publish_bytes_pending_max may be used before bulk topics are refused.",
              1,
              percent_max},
    ConfigKey{"publish_standard_share_percent",
              &Config::publish_standard_share_percent,
              "The same for standard topics; critical ones may use all of it.",
              1,
              percent_max},
    ConfigKey{"publish_ahead_bytes_max",
              &Config::publish_ahead_bytes_max,
              "Bytes of bulk, and of standard topics, on their way to the disk at a time, per "
              "shard; more is held back.",
              kibibyte},
    ConfigKey{"publish_ahead_yielding_bytes_max",
              &Config::publish_ahead_yielding_bytes_max,
              "The same while something more critical is being published.",
              kibibyte},
    ConfigKey{"publish_bulk_yielding_bytes_per_second",
              &Config::publish_bulk_yielding_bytes_per_second,
              "What bulk topics give to the log in a second then, per shard; they rest between.",
              kibibyte},
    ConfigKey{"publish_bytes_outstanding_max",
              &Config::publish_bytes_outstanding_max,
              "Unanswered bytes of a connection's publishes; above, it is not read.",
              kibibyte},
    ConfigKey{"event_ids_per_partition_max",
              &Config::event_ids_per_partition_max,
              "Event ids remembered of a partition; the oldest go first, about 100 bytes of memory "
              "each.",
              1},
    ConfigKey{"event_ids_per_shard_max",
              &Config::event_ids_per_shard_max,
              "Event ids remembered of all partitions of a shard.",
              1},
    ConfigKey{"frame_bytes_max",
              &Config::frame_bytes_max,
              "Largest frame on the native protocol.",
              64ULL << 10U,
              256ULL << 20U},
    ConfigKey{"record_batch_bytes_max",
              &Config::record_batch_bytes_max,
              "Largest record batch.",
              1024,
              1900ULL << 10U},
    ConfigKey{"connections_max",
              &Config::connections_max,
              "Native connections per shard; more are closed at once.",
              1},
    ConfigKey{"requests_outstanding_max",
              &Config::requests_outstanding_max,
              "Unanswered requests of a connection; above, it is not read.",
              1,
              1'000'000},
    ConfigKey{"hello_timeout_ms",
              &Config::hello_timeout_ms,
              "Time for the first request, and for the rest of a frame that has begun.",
              100},
    ConfigKey{"topics_max", &Config::topics_max, "Topics of the cluster.", 1},
    ConfigKey{"partitions_max", &Config::partitions_max, "Partitions of the cluster.", 1},
    ConfigKey{
        "subscriptions_max", &Config::subscriptions_max, "Queue subscriptions of the cluster.", 1},
    ConfigKey{"letters_max",
              &Config::letters_max,
              "Dead letters of a subscription that are not over, per shard; then it hands out "
              "nothing new.",
              1},
    ConfigKey{"letters_bytes_max",
              &Config::letters_bytes_max,
              "Bytes of those letters, per shard.",
              kibibyte},
    ConfigKey{"jobs_running_max",
              &Config::jobs_running_max,
              "Replay and redrive jobs at a time, one thread each; the others wait.",
              1,
              64},
    ConfigKey{"replay_read_bytes_per_second",
              &Config::replay_read_bytes_per_second,
              "What all replay jobs together read from the log; live traffic keeps the rest.",
              1ULL << 20U},
    ConfigKey{"odoo_url",
              &Config::odoo_url,
              "Address of the Odoo that is fed, https://host or http://host:port; empty: none."},
    ConfigKey{"odoo_database", &Config::odoo_database, "Its database."},
    ConfigKey{"odoo_login", &Config::odoo_login, "The user that the feed works as."},
    ConfigKey{"odoo_key_file",
              &Config::odoo_key_file,
              "File whose first line is that user's API key; or set MILLRACE_ODOO_KEY."},
    ConfigKey{"odoo_ca_file",
              &Config::odoo_ca_file,
              "PEM file with the CA of Odoo's certificate, for https; empty: the system's CAs."},
    ConfigKey{"odoo_mapping", &Config::odoo_mapping, "The mapping file, docs/odoo.md."},
    ConfigKey{"odoo_subscription",
              &Config::odoo_subscription,
              "The queue subscription whose records go to Odoo."},
    ConfigKey{"odoo_connections_max",
              &Config::odoo_connections_max,
              "Calls to Odoo at a time; at most as many as it has workers.",
              1,
              64},
    ConfigKey{"odoo_batch_records_max",
              &Config::odoo_batch_records_max,
              "Events of one call to Odoo.",
              1,
              1'000},
    ConfigKey{"odoo_business_batch_records_max",
              &Config::odoo_business_batch_records_max,
              "Events of one call of a business method or of the ledger.",
              1,
              1'000},
    ConfigKey{"odoo_timeout_ms",
              &Config::odoo_timeout_ms,
              "Wait for an answer of Odoo; above its own limit of time.",
              1'000},
    ConfigKey{
        "odoo_api", &Config::odoo_api, "jsonrpc, or json2 with a bearer key from Odoo 19 on."},
    ConfigKey{"odoo_ledger_action",
              &Config::odoo_ledger_action,
              "Id of the ledger's server action; 0: found by its external id."},
    ConfigKey{"odoo_ledger_keep_days",
              &Config::odoo_ledger_keep_days,
              "Days that the ledger's markers stay, and longer than the retention of every topic "
              "that is fed; 0: for ever.",
              0,
              36'500},
    ConfigKey{"odoo_ledger_clean_interval_ms",
              &Config::odoo_ledger_clean_interval_ms,
              "How often old markers of the ledger are looked for; a minute after a start at the "
              "latest.",
              100,
              86'400'000},
    ConfigKey{"odoo_source",
              &Config::odoo_source,
              "The source file, docs/odoo-source.md: Odoo's records as events; empty: none."},
    ConfigKey{"log_level", &Config::log_level, "debug, info, warning or error."},
    ConfigKey{"ready_file",
              &Config::ready_file,
              "Written as JSON with the addresses once the broker serves."},
    ConfigKey{
        "rebuild_index", &Config::rebuild_index, "Throw the index away and build it from the log."},
    ConfigKey{"cluster_go_on_alone",
              &Config::cluster_go_on_alone,
              "For one start, when a majority of the nodes is gone for good: this node becomes a "
              "cluster of its own, with what it has. cluster_nodes names it alone then."},
};

std::string with(std::string_view text, char from, char to) {
    std::string made(text);
    std::ranges::replace(made, from, to);
    return made;
}

Error bad_value(const ConfigKey& key, std::string_view text, const std::string& wanted) {
    return fail(Errc::configuration,
                std::string(key.name) + ": \"" + std::string(text) + "\" is not " + wanted);
}

Result<std::uint64_t> parse_number(const ConfigKey& key, std::string_view text) {
    std::uint64_t value = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view suffix(end, static_cast<std::size_t>(text.data() + text.size() - end));
    const std::array<std::pair<std::string_view, std::uint64_t>, 4> units{
        {{"", 1},
         {"KiB", kibibyte},
         {"MiB", kibibyte * kibibyte},
         {"GiB", kibibyte * kibibyte * kibibyte}}};
    const auto* const unit =
        std::ranges::find(units, suffix, &std::pair<std::string_view, std::uint64_t>::first);
    if (code != std::errc{} || unit == units.end()) {
        return bad_value(key, text, "a number, with KiB, MiB or GiB where bytes are meant");
    }
    value *= unit->second;
    if (value < key.min || value > key.max) {
        return bad_value(
            key, text, "between " + std::to_string(key.min) + " and " + std::to_string(key.max));
    }
    return value;
}

}  // namespace

std::span<const ConfigKey> config_keys() {
    return keys;
}

std::string_view nearest_key(std::string_view name) {
    return std::ranges::min_element(
               keys, {}, [&](const ConfigKey& key) { return edit_distance(name, key.name); })
        ->name;
}

std::string ConfigKey::flag() const {
    return "--" + with(name, '_', '-');
}

std::string ConfigKey::variable() const {
    std::string made = "MILLRACE_";
    for (const char c : name) {
        made.push_back(c == '_' ? '_'
                                : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c));
    }
    return made;
}

std::string ConfigKey::value_in(const Config& config) const {
    if (const auto* const text = std::get_if<std::string Config::*>(&member)) {
        return config.*(*text);
    }
    if (const auto* const flag = std::get_if<bool Config::*>(&member)) {
        return config.*(*flag) ? "true" : "false";
    }
    return std::to_string(config.*std::get<std::uint64_t Config::*>(member));
}

Result<void> ConfigKey::set(Config& config, std::string_view text) const {
    if (const auto* const string = std::get_if<std::string Config::*>(&member)) {
        config.*(*string) = text;
        return ok();
    }
    if (const auto* const flag = std::get_if<bool Config::*>(&member)) {
        if (text != "true" && text != "false") {
            return bad_value(*this, text, "true or false");
        }
        config.*(*flag) = text == "true";
        return ok();
    }
    MILLRACE_TRY(config.*std::get<std::uint64_t Config::*>(member), parse_number(*this, text));
    return ok();
}

}  // namespace millrace::broker
