#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "broker/delivery/commands.hpp"
#include "broker/delivery/flight/flights.hpp"
#include "broker/delivery/flight/item.hpp"
#include "broker/delivery/flight/key_table.hpp"
#include "broker/delivery/letters/letter_store.hpp"
#include "broker/delivery/progress/circuit_log.hpp"
#include "broker/delivery/progress/durable_progress.hpp"
#include "broker/delivery/progress/settled_runs.hpp"
#include "broker/delivery/queue/permit_office.hpp"
#include "broker/delivery/queue/subscription_metrics.hpp"
#include "broker/delivery/rules/circuit.hpp"
#include "broker/delivery/rules/stopped_parts.hpp"
#include "broker/delivery/rules/subscription_filter.hpp"
#include "broker/delivery/rules/timing_wheel.hpp"
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
/// what flows (records read ahead, in flight, parked, waiting) is memory and comes again from the
/// log after a restart. A record's key is busy from the moment the record is read until it is
/// settled; what follows it is parked and goes out when its turn comes. Settlements of a turn
/// travel in one command per partition.
///
/// Threads:  the shard's.
class Engine {
  public:
    struct Surroundings {
        Shard& shard;
        LetterStore& letters;
        PermitOffice& permits;
        std::size_t parked_bytes_max = 0;
    };
    Engine(const Surroundings& surroundings, std::shared_ptr<const SubscriptionInfo> info);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    Engine(Engine&&) = delete;
    Engine& operator=(Engine&&) = delete;
    ~Engine();

    // Recovery and commands.
    /// `suffix` is what follows the partition in the row's key.
    void restore_progress(PartitionId partition, std::string_view suffix, std::string_view row);
    void restore_circuit(std::string_view row);
    void write_state(storage::StateWriter& state);
    void apply(const SettleCommand& command);
    void apply(const RetryCommand& command);
    void apply(const LetterOpenCommand& command, std::uint64_t id);
    void apply(const CircuitCommand& command) { circuit_log_.add(command.change); }
    void apply(const LetterChangeCommand& command, const Letter& letter);
    /// Recovery is over: the keys of open letters are busy, redriven ones go out, retries wait for
    /// their time.
    void start(std::shared_ptr<const SubscriptionInfo> info);
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
    void show_metrics();
    [[nodiscard]] bool has_started() const { return has_started_; }

    // Flow.
    void on_advance(PartitionId partition);
    void pump();
    /// Settlements of this turn go to the log, permits where they belong.
    void end_turn();
    void take_grant(const PermitGrant& grant);
    [[nodiscard]] const SubscriptionInfo& info() const { return *info_; }
    /// Records parked behind the key of a letter.
    [[nodiscard]] std::uint32_t parked_behind(PartitionId partition, const std::string& key) const {
        return keys_.parked_behind(partition, key);
    }

    /// Retries, delays and ack timeouts have their effect at whole ones, never early.
    static constexpr Duration tick{10'000};

  private:
    /// A record that waits for its time: a retry, or one with `deliver-after`.
    struct Wait {
        UnixMicros due_us = 0;
        bool is_retry = false;
        std::string key;  ///< of a retry: known once the record was read in this life
    };
    struct WaitRef {
        PartitionId partition;
        std::uint64_t number = 0;  ///< offset, or the letter
        bool is_letter = false;
    };
    /// What flows of a partition.
    struct Flow {
        DurableProgress progress;
        Offset read_at;
        bool is_reading = false;
        bool is_queued = false;  ///< in `to_read_`
        bool is_active = false;  ///< in `active_`
        std::deque<Item> ready;
        std::map<Offset, Wait> waits;
        std::map<Offset, std::string> heads;  ///< with their keys: to be read
        bool is_reading_heads = false;
        /// When the floor was appended, so that the lag costs one look-up per floor.
        mutable std::optional<std::pair<Offset, UnixMicros>> floor_time;
    };
    struct Session {
        std::shared_ptr<DeliveryTarget> target;
        std::string consumer;
        std::uint32_t credit = 0;
        std::vector<std::uint64_t> batch;  ///< delivery ids of this pump
    };
    struct Pending;
    /// What was settled of a partition and is not proposed yet.
    struct Settling {
        ProgressKey key;
        SettledRuns runs;
        std::vector<std::string> keys;  ///< that the settlement releases
        std::vector<std::shared_ptr<Pending>> waiters;
        std::vector<std::pair<UnixMicros, std::uint32_t>> acked;  ///< append time and attempts
    };
    /// What a read has brought and the filter has not looked at yet.
    struct Arrived {
        PartitionId partition;
        std::uint32_t epoch = 0;
        storage::ReadResult result;
        std::size_t at = 0;  ///< byte of `runs`
    };
    /// How long the filter may run before others have their turn.
    struct FilterBudget {
        SteadyTime end{};
        std::size_t records = 0;
    };

    // Flow: from the log to what is ready.
    void pump_soon();
    void read_more();
    void want_read(PartitionId partition, Flow& flow);
    [[nodiscard]] bool has_room() const;
    [[nodiscard]] std::string limit_reached() const;
    [[nodiscard]] std::size_t busy_keys_max() const;
    /// Of the limit that is nearest; letters have a gauge of their own.
    [[nodiscard]] std::int64_t limit_percent() const;
    void read(PartitionId partition, Flow& flow);
    void take_runs(const std::shared_ptr<Arrived>& arrived);
    void take_runs_later(const std::shared_ptr<Arrived>& arrived);
    [[nodiscard]] bool take_batch(Flow& flow,
                                  const BatchHeader& header,
                                  std::span<const std::byte> batch,
                                  FilterBudget& budget);
    void take_damage(Flow& flow, const Arrived& arrived);
    void end_read(PartitionId partition, Flow& flow);
    void read_later(PartitionId partition);
    [[nodiscard]] bool is_spent(const FilterBudget& budget) const;
    void take_view(Flow& flow, const RecordPlacement& placement, const wire::RecordView& view);
    [[nodiscard]] bool is_wanted(const RecordPlacement& placement, const wire::RecordView& view);
    void take_record(Flow& flow, Item item);
    /// One record by its offset: a retry, or the next of a released key. Those of a turn are read
    /// together.
    void read_one(PartitionId partition, Offset offset, const std::string& key);
    void read_heads_soon(PartitionId partition);
    void read_heads(PartitionId partition);
    void take_heads(PartitionId partition, Offset from, const Result<storage::ReadResult>& result);
    void take_heads_of(Flow& flow, std::span<const std::byte> runs);
    /// True while the batch may have more that is wanted.
    bool take_or_keep(Flow& flow,
                      const BatchHeader& header,
                      Offset offset,
                      const wire::RecordView& view);
    [[nodiscard]] static Item item_at(const BatchHeader& header,
                                      Offset offset,
                                      const wire::RecordView& view);
    /// Retention or damage has taken it: settled, and its key goes on.
    void give_up(PartitionId partition, Offset offset, const std::string& key);
    void take_head(Item item);
    /// It is the head of its key: it goes out, waits, or has expired.
    void admit(Item item);
    void expire(Item item);
    void make_ready(Item item);
    void requeue_front(Item item);
    void activate(PartitionId partition, Flow& flow);
    void release_key(PartitionId partition, const std::string& key);
    void go_on(PartitionId partition, const std::string& key, std::optional<KeyTable::Parked> next);
    [[nodiscard]] bool is_ordered(const std::string& key) const {
        return info_->order == Order::key && !key.empty();
    }

    // Waiting.
    void wait(PartitionId partition, Offset offset, Wait wait);
    void come_due(const WaitRef& ref);
    [[nodiscard]] SteadyTime steady_at(UnixMicros due_us) const;
    [[nodiscard]] static SteadyTime whole_tick(SteadyTime time);
    void arm();
    void come_round();
    void fail_late();

    // Dispatch: from what is ready to consumers.
    [[nodiscard]] bool may_flow() const;
    [[nodiscard]] std::size_t credit_left() const;
    [[nodiscard]] std::optional<Item> next_item();
    [[nodiscard]] std::optional<Item> next_ready();
    [[nodiscard]] Item item_of(const Letter& letter) const;
    void dispatch();
    void hand_out(SessionId id, Session& session, Item item);
    void send(Session& session);
    /// At a limit of letters nothing new goes out, only letters that somebody redrives.
    [[nodiscard]] bool has_full_letters() const { return !letters_.full_reason(info_->id).empty(); }
    [[nodiscard]] std::size_t dispatchable() const {
        return (has_full_letters() ? 0 : ready_count_) + redriven_.size();
    }
    void report_permits();
    void note_landed(const Flights::Flight& flight);
    void note_drained();

    // Settling.
    [[nodiscard]] std::optional<Flights::Flight> take_flight(SessionId session,
                                                             std::uint64_t delivery);
    void extend_flights(SessionId session, const Settlement& settlement, Pending& pending);
    void settle_acks(SessionId session,
                     const std::vector<std::uint64_t>& acks,
                     const std::shared_ptr<Pending>& pending);
    [[nodiscard]] Settling& settling_of(PartitionId partition);
    /// Nobody waits for the answer: filtered, gone, damaged. Goes with others, or a moment later.
    void settle_quietly(PartitionId partition, Offset first, std::uint64_t count);
    void settle_record(PartitionId partition,
                       Offset offset,
                       std::string key,
                       const std::shared_ptr<Pending>& pending);
    void flush_settlings();
    /// Comes before a command about a failure: what was passed over on the way to that record must
    /// not be there again after a restart that knows of the failure.
    void flush_settlings(PartitionId partition);
    void flush(const std::shared_ptr<Settling>& settling);
    void release(const Settling& settling);
    /// Acked, and durable.
    void note_settled(UnixMicros now, UnixMicros append_time_us, std::uint32_t attempts);
    void fail_item(Item item, const Nack& nack, const std::shared_ptr<Pending>& pending);
    void retry_item(Item item, const Nack& nack, const std::shared_ptr<Pending>& pending);
    [[nodiscard]] Duration backoff(Cause cause, std::uint32_t attempts);
    [[nodiscard]] std::uint32_t attempts_max(Cause cause) const;
    void trip(const Nack& nack);
    /// False when it is all of the subscription that fails.
    [[nodiscard]] bool stop_part(SessionId session, const Nack& nack);
    void close_circuit();
    void probe_after(Duration delay);
    /// The newest change of the circuit outlives this life.
    void keep_circuit_change();
    void resume_circuit();
    void propose(const Command& command,
                 const std::shared_ptr<Pending>& pending,
                 std::function<void()> applied);
    void give_back_credit(SessionId session);
    [[nodiscard]] ProgressKey progress_key(PartitionId partition);

    // Letters.
    void give_up_item(Item item,
                      const Nack& nack,
                      Cause cause,
                      const std::shared_ptr<Pending>& pending);
    void drop_item(const Item& item,
                   const Nack& nack,
                   Cause cause,
                   const std::shared_ptr<Pending>& pending);
    void open_letter(Item item,
                     const Nack& nack,
                     Cause cause,
                     const std::shared_ptr<Pending>& pending);
    void change_letter(const Item& item,
                       LetterState state,
                       const Nack& nack,
                       Cause cause,
                       const std::shared_ptr<Pending>& pending);
    void retry_letter(const Item& item,
                      const Nack& nack,
                      Duration delay,
                      const std::shared_ptr<Pending>& pending);
    [[nodiscard]] std::optional<std::uint32_t> known_epoch(PartitionId partition) const;
    /// Keys of open letters are busy, redriven ones go out. What a seek delivers anew is no letter
    /// any more. Letters of partitions that are not taken stay as they are, on their way or not.
    void take_letters(const std::function<bool(PartitionId)>& is_taken);
    void supersede(std::uint64_t letter);
    /// A seek has gone back behind the record of a letter, which is delivered anew.
    [[nodiscard]] bool is_superseded(PartitionId partition,
                                     Offset offset,
                                     std::uint32_t epoch) const;

    // Partitions and definition.
    [[nodiscard]] std::vector<PartitionId> partitions() const;
    /// It carries what is replayed to this subscription: a start or a seek means others.
    [[nodiscard]] bool is_replayed(PartitionId partition) const;
    [[nodiscard]] Flow& flow_of(PartitionId partition) { return flows_[partition]; }
    [[nodiscard]] std::uint32_t epoch_of(PartitionId partition) {
        return flow_of(partition).progress.epoch();
    }
    /// False for what belongs to the time before a seek, or to a topic that was deleted.
    [[nodiscard]] bool is_current(PartitionId partition, std::uint32_t epoch) const;
    /// Its topic was deleted: commands that were under way have nothing to change any more.
    [[nodiscard]] bool is_lost(PartitionId partition) const;
    void find_origin(PartitionId partition, Flow& flow);
    /// Forgets what flows of a partition, but for what consumers have.
    void drop_flow(PartitionId partition, Flow& flow);
    /// After a seek: what flowed and what consumers have is dropped.
    void start_anew(PartitionId partition, Flow& flow);
    /// Lets go of partitions whose topic was deleted, with their rows; their letters stay.
    void drop_lost();
    void erase_rows(PartitionId partition);
    /// Their settlements will be stale; the credit is the consumer's again.
    void drop_flights(const std::function<bool(const Item&)>& is_dropped);
    [[nodiscard]] bool adopt_epoch(Flow& flow, const ProgressKey& key);
    void take_definition();
    [[nodiscard]] std::string row_prefix(PartitionId partition) const;

    // Report.
    [[nodiscard]] std::string reason(const SubscriptionProgress& progress) const;
    [[nodiscard]] std::string reason_to_wait(const SubscriptionProgress& progress) const;
    /// The age of the oldest record that is not settled.
    [[nodiscard]] std::int64_t lag_us(PartitionId partition, const Flow& flow, Offset next) const;
    [[nodiscard]] UnixMicros oldest_letter_us(LetterState state) const;
    /// What costs the same however many records wait.
    [[nodiscard]] SubscriptionProgress counts() const;
    static void add_next(SubscriptionProgress& progress, const Flow& flow);
    void forget_wait(const Wait& wait);

    Shard& shard_;
    LetterStore& letters_;
    PermitOffice& permits_;
    std::shared_ptr<const SubscriptionInfo> info_;
    std::optional<SubscriptionMetrics> metrics_;  ///< once the name is known
    std::optional<SubscriptionFilter> filter_;
    std::string filter_text_;
    std::string filter_error_;  ///< of the program itself: nothing is delivered
    std::string filter_fault_;  ///< of the last record that it failed on, which is not delivered
    DispatchLimits limits_;

    std::map<PartitionId, Flow> flows_;
    std::deque<PartitionId> to_read_;  ///< behind which there may be more to read
    std::deque<PartitionId> active_;   ///< with ready records; the one whose turn it is first
    std::size_t ready_count_ = 0;
    std::size_t reads_under_way_ = 0;
    std::size_t wait_count_ = 0;
    std::size_t retry_count_ = 0;  ///< of them for a retry
    KeyTable keys_;

    std::deque<std::uint64_t> redriven_;  ///< letters on their way; read when their turn comes
    std::uint64_t letters_open_ = 0;

    Flights flights_;
    std::map<SessionId, Session> sessions_;
    SessionId last_served_ = 0;
    std::uint64_t last_delivery_ = 0;
    CircuitBreaker circuit_;
    CircuitLog circuit_log_;
    std::uint64_t circuit_round_ = 0;  ///< a timer of an earlier one is void
    StoppedParts parts_;
    std::optional<UnixMicros> drained_us_;

    std::map<PartitionId, Settling> settlings_;
    bool must_flush_ = false;
    std::optional<SteadyTime> flush_at_;  ///< what nobody waits for
    std::size_t proposals_ = 0;           ///< under way

    std::uint32_t permits_free_ = 0;
    std::uint32_t permits_wanted_ = 0;
    std::uint32_t permits_adopted_ = 0;
    std::uint32_t permits_finished_ = 0;
    Shortage shortage_ = Shortage::none;

    TimingWheel<WaitRef> wheel_{tick, SteadyTime{}};
    std::optional<std::pair<SteadyTime, TimerId>> alarm_;

    bool has_started_ = false;
    bool is_pumping_ = false;
    bool must_pump_again_ = false;
    bool is_pump_posted_ = false;
    Random random_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::delivery
