#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/feed/subscription_feed.hpp"
#include "broker/gateways/http/hooks/hook_file.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::http {

/// Posts the records of a subscription to the target that the hooks file names for it.
///
/// Promise:  every record is posted until the target takes it or it becomes a dead letter, in order
///           by key where the subscription is; at most `concurrency` posts at a time, and as many
///           more of each shard wait here.
/// Threads:  the control thread.
class WebhookSender {
  public:
    /// The target must outlive it.
    WebhookSender(boost::asio::io_context& control,
                  const WebhookTarget& target,
                  MetricsRegistry& metrics);
    WebhookSender(const WebhookSender&) = delete;
    WebhookSender& operator=(const WebhookSender&) = delete;
    WebhookSender(WebhookSender&&) = delete;
    WebhookSender& operator=(WebhookSender&&) = delete;
    ~WebhookSender();

    void start(std::vector<SubscriptionFeed::Link> shards, std::function<std::uint64_t()> next_id);
    /// Before the shards stop.
    void stop();

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::broker::http
