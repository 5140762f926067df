#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "broker/config/config.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {

/// Says whether the settings of Odoo as a source are good, the source file included; good when
/// there are none.
[[nodiscard]] Result<void> check_odoo_source(const Config& config);

/// Records of Odoo as events: hints from their topic, events to theirs, and the sweep.
///
/// Place:    between the shards and the control thread; what is made of hints is in
///           broker/odoo/source.
/// Promise:  a hint is settled when its event is durable. What is held at the end is delivered
///           again after the next start.
/// Threads:  the control thread.
/// On disk:  odoo-source.json in the data directory: how far the sweeps are.
class OdooSource {
  public:
    /// Null when no odoo_source is set. Errors: configuration, malformed for the file of cursors.
    [[nodiscard]] static Result<std::unique_ptr<OdooSource>> create(
        boost::asio::io_context& control, const Config& config, MetricsRegistry& metrics);
    OdooSource(const OdooSource&) = delete;
    OdooSource& operator=(const OdooSource&) = delete;
    OdooSource(OdooSource&&) = delete;
    OdooSource& operator=(OdooSource&&) = delete;
    ~OdooSource();  // NOLINT(bugprone-exception-escape): see its definition

    /// Before the control thread's loop. `next_id` gives numbers that are unique in the node.
    void start(std::vector<http::ShardLink> shards, std::function<std::uint64_t()> next_id);
    /// Before the shards stop.
    void stop();

  private:
    struct Impl;
    explicit OdooSource(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker
