#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/config/config.hpp"
#include "broker/feed/subscription_feed.hpp"
#include "storage/base/metrics.hpp"
#include "storage/base/result.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker {

/// Says whether the settings of Odoo are good, the mapping included; good when there are none.
[[nodiscard]] Result<void> check_odoo_settings(const Config& config);

/// Feeds a subscription to the Odoo sink, and has markers of its ledger forgotten in time.
///
/// Place:    puts together the feed of broker/feed and the sink of broker/odoo.
/// Threads:  the control thread.
class OdooFeed {
  public:
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

    void start(std::vector<SubscriptionFeed::Link> shards, std::function<std::uint64_t()> next_id);
    /// Before the shards stop. What Odoo works on is delivered again after the next start.
    void stop();

  private:
    struct Impl;
    explicit OdooFeed(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::broker
