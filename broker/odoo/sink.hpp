#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/delivery/subscriptions.hpp"
#include "broker/odoo/load_answer.hpp"
#include "broker/odoo/mapping.hpp"
#include "broker/odoo/transport.hpp"
#include "storage/base/metrics.hpp"

namespace millrace::broker::odoo {

/// A delivery that the sink owes an answer for.
struct DeliveryRef {
    ShardId shard;
    std::uint64_t session = 0;
    std::uint64_t delivery_id = 0;
};

/// One delivered record, with bytes of its own.
struct Event {
    DeliveryRef ref;
    std::string topic;
    std::uint32_t partition_index = 0;
    Offset offset;
    UnixMicros append_time_us = 0;
    std::uint32_t attempt = 1;
    std::vector<std::byte> record;
};

struct SinkOptions {
    std::size_t connections_max = 2;  ///< calls at a time; at most Odoo's workers
    std::size_t batch_records_max = 100;
    /// Failures after which an event travels alone, so that it cannot spoil others.
    std::uint32_t attempts_in_company_max = 3;
    /// Tries of an event that a business rule refuses, before it becomes a dead letter.
    std::uint32_t business_attempts_max = 3;
    std::chrono::milliseconds business_delay{2'000};
};

/// Hands settlements to the shard that delivered.
using Settle = std::function<void(ShardId shard, std::uint64_t session, delivery::Settlement)>;

/// Puts events into Odoo and settles each by itself.
///
/// Place:    between a subscription and a transport; knows neither shards nor sockets.
/// Promise:  every event that came is settled once, or held while Odoo works on it. While calls are
///           under way what comes gathers into the next batch, so batches grow with the load and
///           nothing waits when it is idle.
/// Threads:  the control thread.
class Sink {
  public:
    Sink(SinkOptions options,
         Mapping mapping,
         Transport& transport,
         MetricsRegistry& metrics,
         Settle settle);
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    Sink(Sink&&) = delete;
    Sink& operator=(Sink&&) = delete;
    ~Sink();

    void accept(const std::vector<Event>& events);
    /// What is not settled yet: its ack timeouts must be extended.
    [[nodiscard]] std::vector<DeliveryRef> held() const;

  private:
    struct Ready {
        DeliveryRef ref;
        std::uint32_t attempt = 1;
        std::vector<Row> rows;
    };
    struct Batch {
        std::size_t rule = 0;
        std::size_t step = 0;
        std::vector<Ready> events;
    };

    void plan(const Event& event);
    void start_batches();
    [[nodiscard]] Batch take_batch(std::size_t rule);
    void load(Batch batch);
    void on_reply(Batch batch, const Reply& reply);
    void end_step(Batch batch);
    void drop_rows(Batch batch, const std::vector<RefusedRow>& refused);
    void refuse_all(Batch batch, const Fault& fault);
    void split(Batch batch);
    void nack(const Ready& event, const Fault& fault);
    void nack(const DeliveryRef& ref, std::uint32_t attempt, const Fault& fault);
    void ack(const DeliveryRef& ref);
    void send_settlements();
    [[nodiscard]] Counter& events_counter(const std::string& outcome);

    using SessionOfShard = std::pair<ShardId, std::uint64_t>;

    SinkOptions options_;
    Mapping mapping_;
    Transport& transport_;
    MetricsRegistry& metrics_;
    Settle settle_;
    std::vector<std::deque<Ready>> queues_;  ///< one a rule
    std::deque<Batch> again_;                ///< parts of batches that go again, before new ones
    std::size_t last_rule_ = 0;
    std::size_t calls_under_way_ = 0;
    std::map<std::pair<SessionOfShard, std::uint64_t>, std::uint32_t> held_;
    std::map<SessionOfShard, delivery::Settlement> settlements_;
    Counter& applied_;
    Counter& not_wanted_;
    Counter& rows_written_;
    Counter& rows_refused_;
    Histogram& batch_records_;
    Histogram& call_us_;
    Gauge& held_count_;
    SystemClock clock_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::odoo
