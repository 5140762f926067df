#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::delivery {

enum class Cause : std::uint8_t {
    none = 0,
    transient = 1,
    outage = 2,
    authorization = 3,
    mapping = 4,
    outcome_unknown = 5,
    configuration = 6,
    poison = 7,
    expired = 8,
};
inline constexpr auto last_cause = Cause::expired;
inline constexpr auto cause_count = static_cast<std::size_t>(last_cause) + 1;
[[nodiscard]] std::string_view name_of(Cause cause) noexcept;
/// The target takes nothing, whatever the record is: no attempt counts.
[[nodiscard]] constexpr bool is_outage(Cause cause) noexcept {
    return cause == Cause::outage || cause == Cause::authorization || cause == Cause::configuration;
}

/// One record on its way to a consumer. The record is plain (client/wire/record.hpp) and shared
/// with the batch it was decoded from or copied; valid during the call.
struct Delivery {
    std::uint64_t delivery_id = 0;
    PartitionId partition;
    Offset offset;
    UnixMicros append_time_us = 0;
    std::uint32_t attempt = 1;
    std::uint32_t tries = 1;  ///< attempts since the last redrive, this one counted
    std::span<const std::byte> record;
};

/// Who receives. Called on the shard's thread.
class DeliveryTarget {
  public:
    DeliveryTarget() = default;
    DeliveryTarget(const DeliveryTarget&) = delete;
    DeliveryTarget& operator=(const DeliveryTarget&) = delete;
    DeliveryTarget(DeliveryTarget&&) = delete;
    DeliveryTarget& operator=(DeliveryTarget&&) = delete;
    virtual ~DeliveryTarget() = default;
    /// At most the credit that is left; bytes are copied by the target.
    virtual void on_deliveries(ShardId shard, std::span<const Delivery> deliveries) = 0;
    /// The subscription was deleted or the shard stops: settle nothing more, open again elsewhere.
    virtual void on_ended(ShardId shard, const Error& reason) = 0;
};

struct Nack {
    std::uint64_t delivery_id = 0;
    Cause cause = Cause::transient;
    std::optional<std::chrono::milliseconds> delay;
    std::string error;
    std::string response;
    /// With `outage`, `authorization` and `configuration`: only this part of what the subscription
    /// carries is stopped. The record waits for `delay`, no attempt is counted, all else flows.
    std::string part = {};
};
struct Settlement {
    std::vector<std::uint64_t> acks;
    std::vector<Nack> nacks;
    std::vector<std::uint64_t> extends;
    std::chrono::milliseconds extend_by{0};
    /// Parts that are stopped no more, whatever `nacks` say of them.
    std::vector<std::string> resumed = {};
};
/// Delivery ids that were not this session's any more.
using SettleDone = std::function<void(Result<std::vector<std::uint64_t>> stale)>;

enum class Circuit : std::uint8_t { closed = 0, open = 1, half_open = 2 };
[[nodiscard]] std::string_view name_of(Circuit state) noexcept;
/// One step of a circuit, and why.
struct CircuitChange {
    UnixMicros time_us = 0;
    Circuit from = Circuit::closed;
    Circuit to = Circuit::closed;
    Cause cause = Cause::none;  ///< of the outage
    std::string reason;
};
inline constexpr std::size_t circuit_changes_max = 32;  ///< that are kept, of one shard

struct PartitionProgress {
    PartitionId partition;
    Offset floor;
    Offset next;
    std::uint64_t settled_above_floor = 0;
};
/// The first of two moments; 0 is none.
[[nodiscard]] constexpr UnixMicros earlier(UnixMicros one, UnixMicros other) {
    return one == 0 ? other : other == 0 || one < other ? one : other;
}

/// One shard's share; the protocol adds the shards up.
struct SubscriptionProgress {
    Circuit circuit = Circuit::closed;
    std::string stopped_reason;  ///< which parts are stopped, and why; empty: none
    std::string reason;          ///< why nothing flows beside that
    std::uint32_t consumers = 0;
    std::uint64_t in_flight = 0;
    std::uint64_t waiting_retry = 0;
    std::uint64_t parked_keys = 0;
    std::uint64_t parked_records = 0;
    std::uint64_t lag_records = 0;
    std::int64_t lag_us = 0;
    std::uint64_t delivered = 0;
    std::uint64_t acked = 0;
    std::uint64_t nacked = 0;
    std::uint64_t letters_open = 0;
    std::array<std::uint64_t, cause_count> letters_by_cause{};  ///< open ones
    std::vector<PartitionProgress> partitions;
    std::uint64_t waiting_delay = 0;  ///< for their `deliver-after`
    UnixMicros next_retry_us = 0;     ///< when the first of those that wait is due; 0: none
    UnixMicros next_delay_us = 0;
    std::uint64_t filtered = 0;
    std::uint64_t filter_failed = 0;
    std::uint64_t expired = 0;
    std::uint64_t dropped = 0;
    std::int64_t oldest_letter_us = 0;  ///< open or redriven, since its first failure
    std::optional<UnixMicros> drained_us;
    std::vector<CircuitChange> circuit_changes;
    std::uint64_t stopped_parts = 0;
};

/// Whether a subscription may have this filter. Errors: invalid_argument with jq's own words.
[[nodiscard]] Result<void> check_filter(const std::string& program);

using SessionId = std::uint64_t;

/// Queue subscriptions over the partitions of this shard.
///
/// Promise:  every record of the topics is delivered until it is settled; with order `key` the
/// records of one key one after another
///           in offset order, later ones parked while an earlier one is in flight, waits for its
///           retry or is an open dead letter. An answered settlement survives a crash.
/// Threads:  the shard's.
class Subscriptions {
  public:
    Subscriptions() = default;
    Subscriptions(const Subscriptions&) = delete;
    Subscriptions& operator=(const Subscriptions&) = delete;
    Subscriptions(Subscriptions&&) = delete;
    Subscriptions& operator=(Subscriptions&&) = delete;
    virtual ~Subscriptions() = default;

    struct OpenRequest {
        std::string name;
        SessionId session =
            0;  ///< unique in the node, given by the caller; the same on every shard
        std::string consumer;
        std::uint32_t credit = 256;  ///< on this shard; a settled record gives one back
        std::shared_ptr<DeliveryTarget> target;
    };
    [[nodiscard]] virtual Result<void> open(const OpenRequest& request) = 0;
    virtual void add_credit(SessionId session, std::uint32_t credit) = 0;
    virtual void settle(SessionId session, Settlement settlement, SettleDone done) = 0;
    /// What was in flight is delivered to others at once, without counting an attempt.
    virtual void close(SessionId session) = 0;
    [[nodiscard]] virtual Result<SubscriptionProgress> progress(const std::string& name) const = 0;
};

}  // namespace millrace::broker::delivery
