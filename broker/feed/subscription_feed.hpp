#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/delivery/subscriptions.hpp"
#include "broker/feed/feed_event.hpp"

namespace boost::asio {
class io_context;
}

namespace millrace::broker {

class Runtime;
class Shard;
namespace delivery {
class DeliveryShard;
}

/// Brings the records of a subscription from all shards to the control thread, and settlements
/// back.
///
/// Promise:  opens the subscription as soon as it exists, and again after it ended; extends what
/// its
///           user holds for longer than the ack timeout.
/// Threads:  the control thread.
class SubscriptionFeed {
  public:
    struct Link {
        Runtime* runtime = nullptr;
        Shard* shard = nullptr;
        delivery::DeliveryShard* delivery = nullptr;
    };
    struct Options {
        std::string subscription;
        std::string consumer;          ///< how it shows among the consumers
        std::uint32_t credit = 1;      ///< deliveries that are not settled, of each shard
        std::string destination = {};  ///< for the log, where one is worth a word
    };
    struct User {
        std::function<void(std::vector<FeedEvent>)> take;
        std::function<std::vector<FeedRef>()> held;  ///< not settled yet
    };
    SubscriptionFeed(boost::asio::io_context& control, Options options, User user);
    SubscriptionFeed(const SubscriptionFeed&) = delete;
    SubscriptionFeed& operator=(const SubscriptionFeed&) = delete;
    SubscriptionFeed(SubscriptionFeed&&) = delete;
    SubscriptionFeed& operator=(SubscriptionFeed&&) = delete;
    ~SubscriptionFeed();  // NOLINT(bugprone-exception-escape): see its definition

    /// `next_id` gives numbers that are unique in the node.
    void start(std::vector<Link> shards, std::function<std::uint64_t()> next_id);
    /// Before the shards stop. What is held is delivered again after the next start.
    void stop();

    /// Several of one session at once.
    void settle(ShardId shard, std::uint64_t session, delivery::Settlement settlement);
    void ack(const FeedRef& ref);
    /// `nack.delivery_id` is filled in.
    void nack(const FeedRef& ref, delivery::Nack nack);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace::broker
