#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/base/result.hpp"

namespace millrace::broker {

/// Everything that can be set, with what holds when nothing is.
struct Config {
    std::string data_dir = "./millrace-data";
    std::string address = "127.0.0.1";
    std::uint64_t port = 7117;
    std::string http_address = "127.0.0.1";
    std::uint64_t http_port = 7118;
    std::uint64_t http_connections_max = 256;
    std::uint64_t http_header_bytes_max = 16ULL << 10U;
    std::uint64_t http_body_bytes_max = 4ULL << 20U;
    std::uint64_t http_bodies_bytes_max = 64ULL << 20U;
    std::uint64_t http_request_records_max = 10'000;
    std::uint64_t http_streams_max = 64;
    std::uint64_t http_request_timeout_ms = 10'000;
    std::uint64_t http_idle_timeout_ms = 60'000;
    std::uint64_t http_write_timeout_ms = 30'000;
    std::string hooks_file;     ///< empty: no hooks
    std::uint64_t shards = 0;   ///< 0: one per core, or as many as the data directory has
    std::uint64_t node_id = 0;  ///< 0: what the data directory has, or 1
    std::string node_labels;    ///< "rack=a,plant=1"
    std::string cluster_nodes;  ///< empty: this node stands alone
    std::uint64_t cluster_election_timeout_ms = 600;
    std::uint64_t cluster_copy_bytes_per_second = 0;
    std::string cluster_compression = "none";  ///< or lz4, zstd
    std::uint64_t cluster_voters_max = 0;      ///< odd; 0: all members vote
    std::string cluster_spread_by = "rack";
    std::uint64_t cluster_replace_voter_after_ms = 600'000;
    std::uint64_t segment_bytes = 128ULL << 20U;
    std::uint64_t disk_reserve_bytes = 512ULL << 20U;
    std::uint64_t rewrite_below_live_percent = 50;
    std::uint64_t rewrite_bytes_per_second = 64ULL << 20U;
    std::uint64_t tail_cache_bytes_max = 16ULL << 20U;
    std::uint64_t publish_bytes_pending_max = 48ULL << 20U;
    std::uint64_t publish_bulk_share_percent = 50;
    std::uint64_t publish_standard_share_percent = 75;
    std::uint64_t publish_ahead_bytes_max = 8ULL << 20U;
    std::uint64_t publish_ahead_yielding_bytes_max = 128ULL << 10U;
    std::uint64_t publish_bulk_yielding_bytes_per_second = 32ULL << 20U;
    std::uint64_t publish_bytes_outstanding_max = 4ULL << 20U;
    std::uint64_t event_ids_per_partition_max = 100'000;
    std::uint64_t event_ids_per_shard_max = 1'000'000;
    std::uint64_t frame_bytes_max = 16ULL << 20U;
    std::uint64_t record_batch_bytes_max = 1ULL << 20U;
    std::uint64_t connections_max = 10'000;
    std::uint64_t requests_outstanding_max = 1'024;
    std::uint64_t hello_timeout_ms = 10'000;
    std::uint64_t topics_max = 10'000;
    std::uint64_t partitions_max = 100'000;
    std::uint64_t subscriptions_max = 1'000;
    std::uint64_t letters_max = 1'000'000;
    std::uint64_t letters_bytes_max = 4ULL << 30U;
    std::uint64_t jobs_running_max = 2;
    std::uint64_t replay_read_bytes_per_second = 64ULL << 20U;
    std::string odoo_url;  ///< empty: no Odoo is fed
    std::string odoo_database;
    std::string odoo_login;
    std::string odoo_key_file;
    std::string odoo_ca_file;  ///< empty: https takes certificates by the system's CAs
    std::string odoo_mapping;
    std::string odoo_subscription = "odoo";
    std::uint64_t odoo_connections_max = 2;
    std::uint64_t odoo_batch_records_max = 100;
    std::uint64_t odoo_business_batch_records_max = 10;
    std::uint64_t odoo_timeout_ms = 150'000;
    std::string odoo_api = "jsonrpc";
    std::uint64_t odoo_ledger_action = 0;
    std::uint64_t odoo_ledger_keep_days = 400;
    std::uint64_t odoo_ledger_clean_interval_ms = 3'600'000;
    std::string odoo_source;  ///< empty: no records of Odoo become events
    std::string log_level = "info";
    std::string ready_file;
    bool rebuild_index = false;
    bool cluster_go_on_alone = false;
};

/// What the command line asks for besides settings.
struct CommandLine {
    enum class Action : std::uint8_t { serve, check, print, document, exit };
    Action action = Action::serve;
    Config config;
    int exit_code = 0;  ///< for `exit`: help, version or a usage error was printed
};

/// Defaults, then the file of --config, then MILLRACE_... of the environment, then flags.
/// Errors: configuration, with file and line, or the variable, and a hint.
[[nodiscard]] Result<CommandLine> parse_command_line(int argc, char** argv, const char* version);

/// Settings of a YAML file over those given. Errors: configuration.
[[nodiscard]] Result<Config> parse_config_file(const std::string& path, Config config);
/// Settings of the environment over those given. `lookup` gives a variable's value or null.
[[nodiscard]] Result<Config> parse_environment(const char* (*lookup)(const char*), Config config);

/// As a YAML file that would give the same settings.
[[nodiscard]] std::string format_config(const Config& config);
/// The table of docs/configuration.md.
[[nodiscard]] std::string format_config_table();

}  // namespace millrace::broker
