#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/config/config.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker {

class Runtime;
class Shard;
namespace delivery {
class DeliveryShard;
}

/// Says whether the settings of Odoo are good, the mapping included; good when there are none.
[[nodiscard]] Result<void> check_odoo_settings(const Config& config);

/// Brings the records of a subscription from all shards to the Odoo sink, and its settlements back.
///
/// Place:    between the shards and the control thread; the sink itself is in broker/odoo.
/// Promise:  opens the subscription as soon as it exists, and again after it ended; extends what
///           Odoo works on for longer than the ack timeout.
/// Threads:  `start` and `stop` on the control thread; the rest finds its thread by itself.
class OdooFeed {
  public:
    struct ShardLink {
        Runtime* runtime = nullptr;
        Shard* shard = nullptr;
        delivery::DeliveryShard* delivery = nullptr;
    };
    using NextId = std::function<std::uint64_t()>;

    /// Null when no odoo_url is set, or only an odoo_source. Errors: configuration, for the
    /// mapping, the address, the key.
    [[nodiscard]] static Result<std::unique_ptr<OdooFeed>> create(boost::asio::io_context& control,
                                                                  const Config& config,
                                                                  MetricsRegistry& metrics);
    OdooFeed(const OdooFeed&) = delete;
    OdooFeed& operator=(const OdooFeed&) = delete;
    OdooFeed(OdooFeed&&) = delete;
    OdooFeed& operator=(OdooFeed&&) = delete;
    ~OdooFeed();  // NOLINT(bugprone-exception-escape): see its definition

    void start(std::vector<ShardLink> shards, NextId next_id);
    /// Before the shards stop. What Odoo works on is delivered again after the next start.
    void stop();

  private:
    struct Impl;
    explicit OdooFeed(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::broker
