#include "broker/part_options.hpp"

#include <chrono>
#include <string>
#include <utility>

#include "storage/base/random.hpp"

namespace millrace::broker {

LogLevel log_level_of(const Config& config) {
    const auto& name = config.log_level;
    return name == "debug"     ? LogLevel::debug
           : name == "warning" ? LogLevel::warning
           : name == "error"   ? LogLevel::error
                               : LogLevel::info;
}

ShardOptions shard_options_of(const Config& config, ShardId id, const NodeIdentity& identity) {
    ShardOptions options;
    options.id = id;
    options.shard_count = identity.shard_count;
    options.node = NodeId{identity.node_id};
    options.data_directory = config.data_dir;
    const auto number = std::to_string(id.value);
    options.store.directory = config.data_dir + "/shard-" + (number.size() < 2 ? "0" : "") + number;
    options.store.segment_bytes = align_up(config.segment_bytes, 1_MiB);
    options.store.tail_cache_bytes_max = config.tail_cache_bytes_max;
    options.store.disk_reserve_bytes = config.disk_reserve_bytes;
    options.store.rewrite_below_live_percent =
        static_cast<std::uint32_t>(config.rewrite_below_live_percent);
    options.store.rewrite_bytes_per_second = config.rewrite_bytes_per_second;
    options.store.rebuild_index = config.rebuild_index;
    options.record_batch_bytes_max = config.record_batch_bytes_max;
    options.publish = {
        .bytes_pending_max = config.publish_bytes_pending_max,
        .bulk_share_percent = static_cast<std::uint32_t>(config.publish_bulk_share_percent),
        .standard_share_percent = static_cast<std::uint32_t>(config.publish_standard_share_percent),
        .ahead_bytes_max = config.publish_ahead_bytes_max,
        .ahead_yielding_bytes_max = config.publish_ahead_yielding_bytes_max,
        .bulk_yielding_bytes_per_second = config.publish_bulk_yielding_bytes_per_second};
    options.event_ids_per_partition_max = config.event_ids_per_partition_max;
    options.event_ids_per_shard_max = config.event_ids_per_shard_max;
    options.topics_max = static_cast<std::uint32_t>(config.topics_max);
    options.partitions_max = static_cast<std::uint32_t>(config.partitions_max);
    options.subscriptions_max = static_cast<std::uint32_t>(config.subscriptions_max);
    options.random_seed = entropy_seed();
    return options;
}

delivery::DeliveryOptions delivery_options_of(const Config& config) {
    return {.letters = {.letters_max = config.letters_max,
                        .letters_bytes_max = config.letters_bytes_max}};
}

protocol::SessionLimits session_limits_of(const Config& config) {
    protocol::SessionLimits limits;
    limits.frame_bytes_max = config.frame_bytes_max;
    limits.requests_outstanding_max = static_cast<std::uint32_t>(config.requests_outstanding_max);
    limits.publish_bytes_outstanding_max = config.publish_bytes_outstanding_max;
    limits.hello_timeout = std::chrono::milliseconds(config.hello_timeout_ms);
    return limits;
}

http::DoorOptions door_options_of(const Config& config, std::string version) {
    http::DoorOptions options;
    options.version = std::move(version);
    options.request_records_max = config.http_request_records_max;
    options.streams_max = config.http_streams_max;
    options.record_batch_bytes_max = config.record_batch_bytes_max;
    options.limits = {.connections_max = config.http_connections_max,
                      .header_bytes_max = static_cast<std::uint32_t>(config.http_header_bytes_max),
                      .body_bytes_max = config.http_body_bytes_max,
                      .bodies_bytes_max = config.http_bodies_bytes_max,
                      .request_timeout = std::chrono::milliseconds(config.http_request_timeout_ms),
                      .idle_timeout = std::chrono::milliseconds(config.http_idle_timeout_ms),
                      .write_timeout = std::chrono::milliseconds(config.http_write_timeout_ms)};
    return options;
}

cluster::PlacementRules placement_rules_of(const Config& config) {
    return {.voters_max = config.cluster_voters_max,
            .spread_by = config.cluster_spread_by,
            .replace_after = std::chrono::milliseconds(config.cluster_replace_voter_after_ms)};
}

delivery::JobRunner::Options job_options_of(const Config& config) {
    return {.jobs_running_max = config.jobs_running_max,
            .read_bytes_per_second = config.replay_read_bytes_per_second};
}

protocol::ClusterDoor cluster_door_by(const std::unique_ptr<cluster::ClusterDesk>& desk,
                                      const std::unique_ptr<cluster::ClusterSeat>& seat) {
    return {.report = [&desk](auto done) { desk->report(std::move(done)); },
            .transfer = [&desk](NodeId to, auto done) { desk->transfer(to, std::move(done)); },
            .join = [&desk](NodeId node,
                            const std::string& address,
                            auto done) { desk->add(node, address, std::move(done)); },
            .remove = [&desk](NodeId node, auto done) { desk->remove(node, std::move(done)); },
            .drain = [&desk](NodeId node,
                             bool drained,
                             auto done) { desk->drain(node, drained, std::move(done)); },
            .natives = [&seat] { return seat ? seat->natives() : std::vector<std::string>(); }};
}

http::NodeAdmission admission_by(const std::unique_ptr<cluster::ClusterDesk>& desk) {
    return {.add = [&desk](std::uint64_t node,
                           const std::string& address,
                           auto done) { desk->add(NodeId{node}, address, std::move(done)); },
            .remove = [&desk](std::uint64_t node,
                              auto done) { desk->remove(NodeId{node}, std::move(done)); },
            .drain = [&desk](std::uint64_t node,
                             bool drained,
                             auto done) { desk->drain(NodeId{node}, drained, std::move(done)); }};
}

}  // namespace millrace::broker
