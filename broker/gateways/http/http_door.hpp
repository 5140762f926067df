#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/gateways/http/admin/node_routes.hpp"
#include "broker/gateways/http/hooks/hook_file.hpp"
#include "broker/gateways/http/server/limits.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::http {

struct DoorOptions {
    Limits limits;
    std::string version;
    std::uint64_t request_records_max = 10'000;
    std::size_t streams_max = 64;
    std::size_t record_batch_bytes_max = std::size_t{1024} * 1024;
    HookFile hooks = {};
    /// Gives what this node knows of its cluster, as JSON, now or later, on the control thread.
    std::function<void(std::function<void(std::string json)> done)> cluster_status = {};
    NodeAdmission admission = {};
    /// Why a node that runs is not open, where it knows; on the control thread.
    std::function<Error()> refusal = {};
};

/// The HTTP door of a node: metrics and health, and everything under /v1.
///
/// Place:    above delivery and catalog, beside the native protocol, with which it shares them.
/// Promise:  an answer that says published means durable. No request makes a shard wait.
/// Threads:  the control thread.
/// Failure:  every error is problem details with the broker's name for it.
class HttpDoor {
  public:
    HttpDoor(boost::asio::io_context& control, DoorOptions options, MetricsRegistry& metrics);
    HttpDoor(const HttpDoor&) = delete;
    HttpDoor& operator=(const HttpDoor&) = delete;
    HttpDoor(HttpDoor&&) = delete;
    HttpDoor& operator=(HttpDoor&&) = delete;
    ~HttpDoor();

    /// Returns the port that was bound. Errors: configuration, io.
    [[nodiscard]] Result<std::uint16_t> listen(const std::string& address, std::uint16_t port);
    /// The shards serve. Waits for the first look at the catalog; before the control thread's loop.
    /// `next_id` gives numbers that are unique in the node.
    void open(std::vector<ShardLink> shards, const std::function<std::uint64_t()>& next_id);
    /// Before the shards stop.
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker::http
