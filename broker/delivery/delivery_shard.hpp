#pragma once

#include <memory>
#include <vector>

#include "broker/delivery/letters/letter_store.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

class ConsumerGroups;
class Subscriptions;
class Letters;
class PermitOffice;
class Jobs;
class GroupLag;

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
    /// Of the whole cluster on shard 0; none anywhere else.
    [[nodiscard]] virtual Jobs& jobs() = 0;
    /// Where other shards get and leave permits of subscriptions. On this shard's thread only.
    [[nodiscard]] virtual PermitOffice& permits() = 0;
    /// Where the homes of consumer groups tell what was committed. On this shard's thread only.
    [[nodiscard]] virtual GroupLag& group_lag() = 0;
};

/// The deliveries of a node, by shard. Only the pointer may be read from another thread.
struct DeliveryTable {
    std::vector<DeliveryShard*> shards;
};

struct DeliveryOptions {
    /// Of records that are kept in memory behind a busy key, per subscription; the others are read
    /// again when their turn comes.
    std::size_t parked_bytes_max = std::size_t{4} * 1024 * 1024;
    LetterLimits letters{};
};

/// **Requires** `table` to be complete before any runtime runs.
[[nodiscard]] std::unique_ptr<DeliveryShard> make_delivery_shard(
    Shard& shard, const DeliveryTable& table, const DeliveryOptions& options = {});

}  // namespace millrace::broker::delivery
