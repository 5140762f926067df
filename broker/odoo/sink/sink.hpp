#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/odoo/answers/ledger_answer.hpp"
#include "broker/odoo/answers/load_answer.hpp"
#include "broker/odoo/sink/concurrency.hpp"
#include "broker/odoo/sink/lookup_cache.hpp"
#include "broker/odoo/sink/rule_gates.hpp"
#include "broker/odoo/sink/sink_metrics.hpp"
#include "broker/odoo/sink/stations.hpp"

namespace millrace::broker::odoo {

struct SinkOptions {
    std::size_t connections_max = 2;  ///< calls at a time; at most Odoo's workers
    StationLimits stations;
    /// Tries of an event that a business rule refuses, before it becomes a dead letter.
    std::uint32_t business_attempts_max = 3;
    std::chrono::milliseconds business_delay{2'000};
    std::size_t lookup_entries_max = 10'000;
    std::int64_t ledger_action_id = 0;  ///< 0: found by its external id
};

/// Hands settlements to the shard that delivered.
using Settle = std::function<void(ShardId shard, std::uint64_t session, delivery::Settlement)>;

/// What the sink works with; all outlive it.
struct SinkParts {
    Transport& transport;
    MetricsRegistry& metrics;
    const Clock& clock;
    Settle settle;
    /// Asks for a call of `wake` at that time; a later request replaces an earlier one.
    std::function<void(SteadyTime)> wake_at;
};

/// Puts events into Odoo and settles each by itself.
///
/// Place:    between a subscription and a transport; knows neither shards nor sockets.
/// Promise:  every event that came is settled once, or held while Odoo works on it. While calls are
///           under way what comes gathers into the next batch, so batches grow with the load and
///           nothing waits when it is idle, unless a step lingers.
/// Threads:  the control thread.
class Sink {
  public:
    Sink(SinkOptions options, Mapping mapping, SinkParts parts);
    Sink(const Sink&) = delete;
    Sink& operator=(const Sink&) = delete;
    Sink(Sink&&) = delete;
    Sink& operator=(Sink&&) = delete;
    ~Sink();

    void accept(const std::vector<FeedEvent>& events);
    void wake();
    /// What is not settled yet: its ack timeouts must be extended.
    [[nodiscard]] std::vector<FeedRef> held() const;
    /// Forgets markers of the ledger that are older than that, some at a time.
    void forget_markers(UnixMicros before);

  private:
    using Next = void (Sink::*)(const BatchPtr&, const std::string& result);

    void begin(const FeedEvent& event);
    void enter(FlowPtr flow);
    /// Brings the flow over the step it stands at; false when it waits, or is settled.
    [[nodiscard]] bool pass(FlowPtr& flow);
    [[nodiscard]] bool pass_block(FlowPtr& flow);
    [[nodiscard]] bool take_lookup(FlowPtr& flow, const Json& found);
    void advance(FlowPtr flow, Json result);
    void run();
    void start(const BatchPtr& batch);
    void send(const BatchPtr& batch, const Call& call, Next next);
    void take_reply(const BatchPtr& batch, const Call& call, Next next, Reply reply);

    void start_lookup(const BatchPtr& batch);
    void start_call(const BatchPtr& batch);
    void start_ledger(const BatchPtr& batch);
    void on_loaded(const BatchPtr& batch, const std::string& result);
    void on_created(const BatchPtr& batch, const std::string& result);
    void on_written(const BatchPtr& batch, const std::string& result);
    void on_called(const BatchPtr& batch, const std::string& result);
    void on_read_back(const BatchPtr& batch, const std::string& result);
    void on_reference(const BatchPtr& batch, const std::string& result);
    void on_found(const BatchPtr& batch, const std::string& result);
    void on_action(const BatchPtr& batch, const std::string& result);
    void on_ledger(const BatchPtr& batch, const std::string& result);

    void judge(const BatchPtr& batch, FlowPtr flow, const Json* record);
    void end_lookup(const BatchPtr& batch, const Json& found);
    void drop_rows(const BatchPtr& batch, const std::vector<RefusedRow>& refused);
    void refuse_all(const BatchPtr& batch, const Fault& fault);
    /// Settles an event that Odoo has refused; or has it begin anew, when that may be due to a
    /// record that lookups had found and that is not there any more.
    void refuse(FlowPtr flow, const Fault& fault);
    void forget_missing(const Flow& flow, const Fault& fault);
    [[nodiscard]] static bool may_begin_anew(const Flow& flow);
    void begin_anew(FlowPtr flow);
    /// Whether it is the ledger's action that is missing; then the batch has been seen to.
    [[nodiscard]] bool refuse_action(const BatchPtr& batch, const Fault& fault);
    void find_action_to_forget(UnixMicros before);
    void take_forgotten(UnixMicros before, const Reply& reply);
    void refuse_undone(const Flow& flow, const Json& record);
    void add_halves(const BatchPtr& batch);
    void finish(FlowPtr flow, const LedgerDone& done);
    void remember_ids(const BatchPtr& batch, const Json& ids);
    void remember_id(const std::string& model, const std::string& external_id, const Json& id);
    /// A record that is written by its id must not be loaded by its external id meanwhile.
    void add_name(const std::string& model, const Json& id, std::vector<std::string>& records);
    /// What a lookup asks, so that those that ask the same share the answer.
    [[nodiscard]] static std::string found_key(const Step& step, const Work& work);
    /// Odoo met itself, or was too slow: fewer calls at a time.
    void note_trouble(const Batch& batch, const Fault& fault);

    void nack(const Flow& flow, const Fault& fault);
    void nack(const FeedRef& ref, std::uint32_t tries, const Fault& fault);
    void put_off(const Rule& rule, const FeedRef& ref, const RuleGates::PutOff& how);
    void end_applied(const Flow& flow);
    void ack(const FeedRef& ref, const char* outcome);
    void send_settlements();

    using SessionOfShard = RuleGates::SessionOfShard;

    SinkOptions options_;
    Mapping mapping_;
    SinkParts parts_;
    Stations stations_;
    Concurrency concurrency_;
    RuleGates gates_;
    LookupCache cache_;
    SinkMetrics metrics_;
    std::size_t calls_under_way_ = 0;
    std::int64_t ledger_action_id_ = 0;
    std::set<FeedRef> held_;
    std::map<SessionOfShard, delivery::Settlement> settlements_;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::odoo
