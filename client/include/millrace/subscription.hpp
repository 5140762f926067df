#pragma once

#include <chrono>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/types.hpp"

namespace millrace {

enum class Order : std::uint8_t { by_key = 0, none = 1 };

/// Why a record could not be settled; the cause decides what the broker does (docs/delivery.md).
enum class Cause : std::uint8_t {
    none = 0,
    transient = 1,
    outage = 2,
    authorization = 3,
    mapping = 4,
    outcome_unknown = 5,
    configuration = 6,
    poison = 7,
    expired = 8
};
/// What becomes of a record that is given up: a dead letter, or nothing but a count.
enum class DeadLetterRule : std::uint8_t { keep = 0, drop = 1 };
/// What becomes of a record that is not delivered before its header `expires-at`.
enum class ExpiredRule : std::uint8_t { drop = 0, dead_letter = 1 };

/// A durable queue over topics.
struct SubscriptionDefinition {
    std::string name;
    std::vector<std::string> topics;
    Order order = Order::by_key;
    StartPosition start;
    std::uint32_t window = 1024;  ///< records in flight, per shard
    std::chrono::milliseconds ack_timeout{60'000};
    std::uint32_t attempts_max = 10;
    std::chrono::milliseconds backoff_min{200};
    std::chrono::milliseconds backoff_max{60'000};
    std::uint32_t parked_keys_max = 100'000;
    std::uint32_t parked_records_max = 1'000'000;
    std::string description;
    std::string filter;  ///< a jq program over the record; empty: everything
    /// For records whose outcome is unknown; 0: as for the others.
    std::uint32_t unknown_attempts_max = 0;
    std::chrono::milliseconds unknown_backoff_min{0};
    std::chrono::milliseconds unknown_backoff_max{0};
    DeadLetterRule dead_letter = DeadLetterRule::keep;
    ExpiredRule expired = ExpiredRule::drop;
    std::uint32_t rate_per_s = 0;   ///< records handed out, over all shards; 0: no limit
    std::uint32_t rate_burst = 0;   ///< how many of them at once; 0: as many as in a second
    std::uint32_t concurrency = 0;  ///< records in flight, over all shards; 0: no limit
    std::uint32_t waiting_records_max = 100'000;          ///< for a retry or their `deliver-after`
    std::chrono::milliseconds probe_interval_max{5'000};  ///< while the target is out
};

/// What is set replaces what stands.
struct SubscriptionChange {
    std::optional<std::string> description;
    std::optional<std::string> filter;  ///< for what is read from now on; empty: everything
    std::optional<std::uint32_t> window;
    std::optional<std::chrono::milliseconds> ack_timeout;
    std::optional<std::uint32_t> attempts_max;
    std::optional<std::chrono::milliseconds> backoff_min;
    std::optional<std::chrono::milliseconds> backoff_max;
    std::optional<std::uint32_t> unknown_attempts_max;
    std::optional<std::chrono::milliseconds> unknown_backoff_min;
    std::optional<std::chrono::milliseconds> unknown_backoff_max;
    std::optional<std::uint32_t> parked_keys_max;
    std::optional<std::uint32_t> parked_records_max;
    std::optional<std::uint32_t> waiting_records_max;
    std::optional<std::chrono::milliseconds> probe_interval_max;
    std::optional<std::uint32_t> rate_per_s;
    std::optional<std::uint32_t> rate_burst;
    std::optional<std::uint32_t> concurrency;
    std::optional<DeadLetterRule> dead_letter;
    std::optional<ExpiredRule> expired;
};

struct SubscribeOptions {
    std::vector<std::string> topics;  ///< given: the subscription is created when it does not exist
    Order order = Order::by_key;
    std::uint32_t credit = 256;  ///< records taken at a time, per shard
    std::string consumer = "millrace";
};

struct NackOptions {
    Cause cause = Cause::transient;
    std::optional<std::chrono::milliseconds> delay;  ///< else the subscription's backoff
    std::string error;
    std::string response;
};

class Subscription;

/// One record to be settled. Settling is queued and sent with others; `Subscription::flush` waits
/// for durability.
class Delivery {
  public:
    [[nodiscard]] const Record& record() const { return record_; }
    /// 1 at the first delivery.
    [[nodiscard]] std::uint32_t attempt() const { return attempt_; }
    void ack();
    void nack(NackOptions options = {});
    /// Asks for more time before it counts as lost.
    void extend(std::chrono::milliseconds by);

  private:
    friend class Subscription;
    Record record_;
    std::uint32_t attempt_ = 1;
    std::uint32_t shard_ = 0;
    std::uint64_t session_ = 0;
    std::uint64_t delivery_id_ = 0;
    Subscription* subscription_ = nullptr;
};

/// A consumer of a queue subscription. Reconnects by itself; what was in flight on a lost
/// connection comes again.
///
/// Threads:  one at a time.
class Subscription {
  public:
    Subscription(Subscription&&) noexcept;
    Subscription& operator=(Subscription&&) noexcept;
    Subscription(const Subscription&) = delete;
    Subscription& operator=(const Subscription&) = delete;
    ~Subscription();  // NOLINT(bugprone-exception-escape): see its definition

    /// Deliveries that have arrived, waiting for the first up to `wait_max`.
    [[nodiscard]] std::vector<Delivery> poll(std::chrono::milliseconds wait_max);
    /// Waits until all settlements so far are durable; returns how many were stale (will come, or
    /// came, again).
    std::size_t flush();

    /// `for (auto& delivery : subscription) { ...; delivery.ack(); }`, without an end.
    class Iterator {
      public:
        // NOLINTBEGIN(readability-identifier-naming): the standard library's names
        using iterator_category = std::input_iterator_tag;
        using value_type = Delivery;
        using difference_type = std::ptrdiff_t;
        using pointer = Delivery*;
        using reference = Delivery&;
        // NOLINTEND(readability-identifier-naming)

        explicit Iterator(Subscription* owner) : owner_(owner) { advance(); }
        Delivery& operator*() { return batch_[next_]; }
        Iterator& operator++() {
            ++next_;
            advance();
            return *this;
        }
        bool operator!=(std::default_sentinel_t) const { return true; }

      private:
        void advance();
        Subscription* owner_;
        std::vector<Delivery> batch_;
        std::size_t next_ = 0;
    };
    Iterator begin() { return Iterator(this); }
    static std::default_sentinel_t end() { return {}; }

  private:
    friend class Client;
    friend class Delivery;
    class Impl;
    explicit Subscription(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace
