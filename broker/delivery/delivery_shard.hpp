#pragma once

#include <memory>

#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

class ConsumerGroups;
class Subscriptions;
class Letters;

/// Delivery on one shard. Made before `Shard::open`, registers itself as the shard's command
/// handler.
class DeliveryShard {
  public:
    DeliveryShard() = default;
    DeliveryShard(const DeliveryShard&) = delete;
    DeliveryShard& operator=(const DeliveryShard&) = delete;
    DeliveryShard(DeliveryShard&&) = delete;
    DeliveryShard& operator=(DeliveryShard&&) = delete;
    virtual ~DeliveryShard() = default;

    [[nodiscard]] virtual ConsumerGroups& groups() = 0;
    [[nodiscard]] virtual Subscriptions& subscriptions() = 0;
    [[nodiscard]] virtual Letters& letters() = 0;
};

[[nodiscard]] std::unique_ptr<DeliveryShard> make_delivery_shard(Shard& shard);

}  // namespace millrace::broker::delivery
