#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/delivery/rules/circuit.hpp"
#include "broker/delivery/commands.hpp"
#include "broker/delivery/progress/interval_set.hpp"
#include "broker/delivery/letters/letter_store.hpp"
#include "broker/delivery/subscriptions.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/random.hpp"

namespace millrace::wire {
struct RecordView;
}

namespace millrace::broker::delivery {

/// One queue subscription on one shard.
///
/// What is durable (settled offsets, retries, letters) changes in `apply_*` only, through commands;
/// what flows (records read ahead, in flight, parked) is memory and comes again from the log after
/// a restart. A record's key is busy from the moment the record is read until it is settled; what
/// follows it is parked as an offset and read again when its turn comes.
///
/// Threads:  the shard's.
class Engine {
  public:
    Engine(Shard& shard, LetterStore& letters, std::shared_ptr<const SubscriptionInfo> info);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    Engine(Engine&&) = delete;
    Engine& operator=(Engine&&) = delete;
    ~Engine();

    // Recovery and commands.
    void restore_progress(PartitionId partition, std::string_view row);
    void write_state(storage::StateWriter& state);
    void apply(const SettleCommand& command);
    void apply(const RetryCommand& command);
    void apply(const LetterOpenCommand& command, std::uint64_t id);
    void apply(const LetterChangeCommand& command, const Letter& letter);
    /// Recovery is over: the keys of open letters are busy, redriven ones go out, retries get their
    /// timers.
    void start();
    void see_catalog(std::shared_ptr<const SubscriptionInfo> info);
    void erase_state();

    // Consumers.
    void open(const Subscriptions::OpenRequest& request);
    [[nodiscard]] bool has_session(SessionId session) const { return sessions_.contains(session); }
    void add_credit(SessionId session, std::uint32_t credit);
    void settle(SessionId session, const Settlement& settlement, SettleDone done);
    void close(SessionId session);
    void end_sessions(const Error& reason);
    [[nodiscard]] SubscriptionProgress progress() const;

    // Flow.
    void on_advance(PartitionId partition);
    void pump();
    void look_at_deadlines();
    [[nodiscard]] const SubscriptionInfo& info() const { return *info_; }
    /// Records parked behind the key of a letter.
    [[nodiscard]] std::uint32_t parked_behind(PartitionId partition, const std::string& key) const;

  private:
    struct Retry {
        std::uint32_t attempts = 0;
        UnixMicros not_before_us = 0;
        UnixMicros first_failure_us = 0;
        std::string key;  ///< known once the record was read in this life
    };
    struct Progress {
        std::uint32_t epoch = 0;
        Offset origin;
        IntervalSet settled;
        std::map<Offset, Retry> retries;
        Offset read_at;
        bool is_reading = false;
        bool is_dirty = false;
        bool is_known = false;  ///< has an origin
    };
    /// A record on its way.
    struct Item {
        PartitionId partition;
        Offset offset;
        UnixMicros append_time_us = 0;
        std::uint32_t attempts = 0;         ///< failures so far
        std::uint32_t attempts_before = 0;  ///< those before the redrive, which do not count
        UnixMicros first_failure_us = 0;
        std::string key;
        std::optional<std::uint64_t> letter;  ///< redriven
        std::vector<std::byte> record;
    };
    struct InFlight {
        SessionId session = 0;
        Item item;
        SteadyTime deadline{};
    };
    struct Session {
        std::shared_ptr<DeliveryTarget> target;
        std::string consumer;
        std::uint32_t credit = 0;
        std::vector<std::uint64_t> batch;  ///< delivery ids of this pump
    };
    struct KeyState {
        std::deque<Offset> parked;
    };
    using SettleRuns = std::map<PartitionId, std::vector<Offset>>;

    // Flow.
    [[nodiscard]] bool may_flow() const;
    [[nodiscard]] std::size_t credit_left() const;
    void read_more();
    void read(PartitionId partition, Progress& progress);
    void take_runs(PartitionId partition,
                   std::uint32_t epoch,
                   const Result<storage::ReadResult>& result);
    void take_view(Progress& progress,
                   const BatchHeader& header,
                   Offset offset,
                   const wire::RecordView& view);
    void take_record(PartitionId partition, Progress& progress, Item item);
    /// One record by its offset: a retry, or the next of a released key.
    void read_one(PartitionId partition, Offset offset, const std::string& key);
    void take_one(PartitionId partition,
                  Offset offset,
                  const std::string& key,
                  const Result<storage::ReadResult>& result);
    /// Retention or damage has taken it: settled, and its key goes on.
    void give_up(PartitionId partition, Offset offset, const std::string& key);
    void release_key(const Item& item);
    void release_keys(const std::vector<Item>& items);
    void requeue_front(Item item);
    /// A redriven letter or, without one, a record that was read ahead.
    [[nodiscard]] std::optional<Item> next_item();
    [[nodiscard]] Item item_of(const Letter& letter) const;
    void dispatch();
    void send(Session& session);
    [[nodiscard]] std::string key_of(PartitionId partition, std::string_view key) const;
    /// The age of the oldest record that is not settled.
    [[nodiscard]] std::int64_t lag_us(PartitionId partition,
                                      const Progress& progress,
                                      Offset next) const;
    [[nodiscard]] Progress& progress_of(PartitionId partition);
    static void parse_progress(std::string_view row, Progress& progress);
    void find_origin(PartitionId partition, Progress& progress);
    /// Forgets what flows of a partition: it belongs to the time before a seek.
    void drop_flow(PartitionId partition);
    /// Their settlements will be stale; the credit is the consumer's again.
    void drop_in_flight(const std::function<bool(const Item&)>& is_dropped);
    /// Keys of open letters are busy, redriven ones go out. What a seek delivers anew is no letter
    /// any more.
    void take_letters();
    void supersede(std::uint64_t letter);
    /// A seek has gone back behind the record of a letter, which is delivered anew.
    [[nodiscard]] bool is_superseded(PartitionId partition,
                                     Offset offset,
                                     std::uint32_t epoch) const;
    [[nodiscard]] std::vector<PartitionId> partitions() const;

    // Settling.
    struct Pending;
    void settle_acks(SessionId session,
                     const std::vector<std::uint64_t>& acks,
                     const std::shared_ptr<Pending>& pending);
    void fail_item(Item item, const Nack& nack, const std::shared_ptr<Pending>& pending);
    void open_letter(Item item,
                     const Nack& nack,
                     Cause cause,
                     const std::shared_ptr<Pending>& pending);
    void change_letter(const Item& item,
                       LetterState state,
                       const Nack& nack,
                       Cause cause,
                       const std::shared_ptr<Pending>& pending);
    void retry_item(Item item, const Nack& nack, const std::shared_ptr<Pending>& pending);
    void trip(const Nack& nack);
    void propose(const Command& command,
                 const std::shared_ptr<Pending>& pending,
                 std::function<void()> applied);
    void give_back_credit(SessionId session);
    [[nodiscard]] std::optional<InFlight> take_in_flight(SessionId session, std::uint64_t delivery);
    [[nodiscard]] ProgressKey progress_key(PartitionId partition);
    [[nodiscard]] Duration backoff(std::uint32_t attempts);
    void retry_letter(const Item& item, Duration delay);
    void arm_retry(PartitionId partition, Offset offset, UnixMicros not_before_us);
    bool adopt_epoch(Progress& progress, const ProgressKey& key);

    Shard& shard_;
    LetterStore& letters_;
    std::shared_ptr<const SubscriptionInfo> info_;
    std::map<PartitionId, Progress> progress_;
    std::unordered_map<std::string, KeyState> keys_;  ///< busy ones
    std::deque<Item> ready_;
    std::deque<std::uint64_t> redriven_;  ///< letters on their way; read when their turn comes
    std::unordered_map<std::uint64_t, std::uint32_t> letter_failures_;  ///< since the redrive
    std::uint64_t letter_round_ = 0;  ///< a seek begins a new one; timers of the last are void
    std::unordered_map<std::uint64_t, InFlight> in_flight_;
    std::map<SessionId, Session> sessions_;
    SessionId last_served_ = 0;
    CircuitBreaker circuit_;
    std::string blocked_reason_;
    std::uint64_t last_delivery_ = 0;
    std::uint64_t parked_records_ = 0;
    std::uint64_t letters_open_ = 0;
    std::size_t reads_under_way_ = 0;
    bool has_started_ = false;
    bool is_pumping_ = false;
    bool must_pump_again_ = false;
    Random random_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
    Counter& delivered_;
    Counter& acked_;
    Counter& nacked_;
    Counter& letters_opened_;
};

}  // namespace millrace::broker::delivery
