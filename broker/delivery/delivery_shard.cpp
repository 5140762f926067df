#include "broker/delivery/delivery_shard.hpp"

#include <algorithm>
#include <charconv>
#include <map>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/groups/consumer_groups_impl.hpp"
#include "broker/delivery/jobs/shard_jobs.hpp"
#include "broker/delivery/letters/letter_gauges.hpp"
#include "broker/delivery/letters/letter_store.hpp"
#include "broker/delivery/queue/engine.hpp"
#include "broker/delivery/queue/permit_office.hpp"
#include "broker/delivery/shard_letters.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr Duration metrics_interval{100'000};
constexpr std::uint32_t metrics_rounds = 10;  ///< until every engine has had its turn
constexpr std::string_view progress_prefix = "q/";

class DeliveryShardImpl final : public DeliveryShard, public Subscriptions, public CommandHandler {
  public:
    DeliveryShardImpl(Shard& shard, const DeliveryTable& table, const DeliveryOptions& options);
    DeliveryShardImpl(const DeliveryShardImpl&) = delete;
    DeliveryShardImpl& operator=(const DeliveryShardImpl&) = delete;
    DeliveryShardImpl(DeliveryShardImpl&&) = delete;
    DeliveryShardImpl& operator=(DeliveryShardImpl&&) = delete;
    ~DeliveryShardImpl() override { *is_alive_ = false; }

    ConsumerGroups& groups() override { return groups_; }
    Subscriptions& subscriptions() override { return *this; }
    Letters& letters() override { return shard_letters_; }
    PermitOffice& permits() override { return permits_; }
    Jobs& jobs() override { return jobs_; }
    GroupLag& group_lag() override { return group_lag_; }

    // CommandHandler
    void restore(storage::ShardStore& store) override;
    void apply(RaftIndex index, std::span<const std::byte> bytes) override;
    void write_state(storage::StateWriter& state) override;
    void start() override;

    // Subscriptions
    Result<void> open(const OpenRequest& request) override;
    void add_credit(SessionId session, std::uint32_t credit) override;
    void settle(SessionId session, Settlement settlement, SettleDone done) override;
    void close(SessionId session) override;
    Result<SubscriptionProgress> progress(const std::string& name) const override;

  private:
    [[nodiscard]] Engine* find(const std::string& name) const;
    [[nodiscard]] Engine* find_session(SessionId session) const;
    [[nodiscard]] Engine& engine_of(std::uint32_t subscription);
    void see_catalog(const CatalogPtr& view);
    void show_metrics();
    void end_turn();
    void restore_progress(std::string_view key, std::string_view row);
    void restore_circuit(std::string_view key, std::string_view row);
    void apply_letter_change(const LetterChangeCommand& command);

    Shard& shard_;
    const DeliveryTable& table_;
    DeliveryOptions options_;
    ConsumerGroupsImpl groups_;
    GroupLag group_lag_;
    PermitOffice permits_;
    ShardJobs jobs_;
    std::unique_ptr<LetterStore> letters_;
    ShardLetters shard_letters_;
    std::unique_ptr<LetterGauges> gauges_;
    std::map<std::uint32_t, std::unique_ptr<Engine>> engines_;
    bool has_started_ = false;
    std::uint32_t metrics_round_ = 0;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

/// Made before the shard opens, so that settlements of a turn reach the shard before its own end of
/// the turn.
DeliveryShardImpl::DeliveryShardImpl(Shard& shard,
                                     const DeliveryTable& table,
                                     const DeliveryOptions& options)
    : shard_(shard),
      table_(table),
      options_(options),
      groups_(shard),
      group_lag_(shard),
      permits_(
          shard,
          [&table](ShardId other) { return &table.shards[other.value]->permits(); },
          [this](std::uint32_t subscription, const PermitGrant& grant) {
              if (const auto found = engines_.find(subscription); found != engines_.end()) {
                  found->second->take_grant(grant);
              }
          }),
      jobs_(shard),
      shard_letters_(shard, letters_, [this](const std::string& name) { return find(name); }) {
    shard.register_handler(*this);
    shard.runtime().at_end_of_turn([this, alive = is_alive_] {
        if (*alive) {
            end_turn();
        }
    });
}

void DeliveryShardImpl::end_turn() {
    for (const auto& [id, engine] : engines_) {
        engine->end_turn();
    }
}

/// While recovering, only the id of a subscription is known; the catalog brings the rest.
Engine& DeliveryShardImpl::engine_of(std::uint32_t subscription) {
    auto& engine = engines_[subscription];
    if (engine) {
        return *engine;
    }
    auto info = std::make_shared<SubscriptionInfo>();
    info->id = subscription;
    for (const auto& [name, known] : shard_.catalog().view()->subscriptions) {
        if (known->id == subscription) {
            info = std::make_shared<SubscriptionInfo>(*known);
        }
    }
    engine = std::make_unique<Engine>(
        Engine::Surroundings{.shard = shard_,
                             .letters = *letters_,
                             .permits = permits_,
                             .parked_bytes_max = options_.parked_bytes_max},
        std::move(info));
    return *engine;
}

void DeliveryShardImpl::restore(storage::ShardStore& store) {
    engines_.clear();
    letters_ = std::make_unique<LetterStore>(store, shard_.data_group(), options_.letters);
    gauges_ = std::make_unique<LetterGauges>(shard_, *letters_);
    groups_.restore(store);
    auto restored = letters_->restore();
    if (restored) {
        restored = jobs_.restore(store);
    }
    if (restored) {
        restored = store.visit_state(
            progress_prefix, "", [this](std::string_view key, std::string_view value) {
                restore_progress(key, value);
                return true;
            });
    }
    if (restored) {
        restored = store.visit_state(
            circuit_prefix, "", [this](std::string_view key, std::string_view value) {
                restore_circuit(key, value);
                return true;
            });
    }
    if (!restored) {
        log_error("delivery", "state could not be read: " + restored.error().text);
    }
}

/// `q/<subscription>/<partition>` and what follows.
void DeliveryShardImpl::restore_progress(std::string_view key, std::string_view row) {
    std::uint32_t subscription = 0;
    std::uint32_t partition = 0;
    const auto* const end = key.data() + key.size();
    const auto first = std::from_chars(key.data() + progress_prefix.size(), end, subscription);
    if (first.ptr == end) {
        log_error("delivery", "a row of progress names no partition: " + std::string(key));
        return;
    }
    const auto second = std::from_chars(first.ptr + 1, end, partition);
    engine_of(subscription)
        .restore_progress(PartitionId{partition}, std::string_view(second.ptr, end), row);
}

void DeliveryShardImpl::restore_circuit(std::string_view key, std::string_view row) {
    std::uint32_t subscription = 0;
    key.remove_prefix(circuit_prefix.size());
    (void)std::from_chars(key.data(), key.data() + key.size(), subscription);
    engine_of(subscription).restore_circuit(row);
}

void DeliveryShardImpl::apply(RaftIndex /*index*/, std::span<const std::byte> bytes) {
    const auto command = parse_command(bytes);
    if (!command) {
        log_error("delivery", command.error().text);
        return;
    }
    if (const auto* const settle = std::get_if<SettleCommand>(&command.value())) {
        engine_of(settle->key.subscription).apply(*settle);
    } else if (const auto* const retry = std::get_if<RetryCommand>(&command.value())) {
        engine_of(retry->key.subscription).apply(*retry);
    } else if (const auto* const opened = std::get_if<LetterOpenCommand>(&command.value())) {
        const auto id = letters_->open(opened->key.subscription, opened->letter);
        engine_of(opened->key.subscription).apply(*opened, id);
    } else if (const auto* const change = std::get_if<LetterChangeCommand>(&command.value())) {
        apply_letter_change(*change);
    } else if (const auto* const again = std::get_if<LetterRetryCommand>(&command.value())) {
        if (const auto kept = letters_->retry(*again); !kept) {
            log_warning("delivery", kept.error().text);
        }
    } else if (const auto* const circuit = std::get_if<CircuitCommand>(&command.value())) {
        engine_of(circuit->subscription).apply(*circuit);
    } else if (const auto* const offsets = std::get_if<OffsetCommand>(&command.value())) {
        groups_.apply(*offsets);
    } else if (const auto* const job = std::get_if<JobCommand>(&command.value())) {
        jobs_.apply(*job);
    }
}

void DeliveryShardImpl::apply_letter_change(const LetterChangeCommand& command) {
    const auto letter = letters_->change(command);
    if (!letter) {
        log_warning("delivery", letter.error().text);
        return;
    }
    engine_of(command.subscription).apply(command, letter.value());
}

void DeliveryShardImpl::write_state(storage::StateWriter& state) {
    for (const auto& [id, engine] : engines_) {
        engine->write_state(state);
    }
}

void DeliveryShardImpl::start() {
    has_started_ = true;
    groups_.start();
    shard_.on_catalog([this](const CatalogPtr& view) { see_catalog(view); });
    shard_.on_advance([this](PartitionId partition, Offset) {
        for (const auto& [id, engine] : engines_) {
            engine->on_advance(partition);
        }
    });
    show_metrics();
}

void DeliveryShardImpl::see_catalog(const CatalogPtr& view) {
    std::map<std::uint32_t, std::shared_ptr<const SubscriptionInfo>> known;
    for (const auto& [name, info] : view->subscriptions) {
        known[info->id] = info;
    }
    for (auto at = engines_.begin(); at != engines_.end();) {
        if (known.contains(at->first)) {
            ++at;
            continue;
        }
        at->second->end_sessions(fail(Errc::unknown_subscription, "the subscription was deleted"));
        at->second->erase_state();
        permits_.forget(at->first);
        at = engines_.erase(at);
    }
    for (const auto& [id, info] : known) {
        const auto found = engines_.find(id);
        if (found == engines_.end() || !found->second->has_started()) {
            auto& engine = engine_of(id);
            engine.start(info);
        } else {
            found->second->see_catalog(info);
        }
    }
}

/// A tenth at a time, since an engine looks at all its partitions.
void DeliveryShardImpl::show_metrics() {
    metrics_round_ = (metrics_round_ + 1) % metrics_rounds;
    for (const auto& [id, engine] : engines_) {
        if (id % metrics_rounds == metrics_round_) {
            engine->show_metrics();
            gauges_->update(id, engine->info().name);
        }
    }
    groups_.tell_offsets(metrics_round_, metrics_rounds, table_);
    shard_.runtime().run_after(metrics_interval, [this, alive = is_alive_] {
        if (*alive) {
            show_metrics();
        }
    });
}

Engine* DeliveryShardImpl::find(const std::string& name) const {
    const auto found = std::ranges::find_if(
        engines_, [&](const auto& entry) { return entry.second->info().name == name; });
    return found == engines_.end() ? nullptr : found->second.get();
}

Engine* DeliveryShardImpl::find_session(SessionId session) const {
    const auto found = std::ranges::find_if(
        engines_, [&](const auto& entry) { return entry.second->has_session(session); });
    return found == engines_.end() ? nullptr : found->second.get();
}

Result<void> DeliveryShardImpl::open(const OpenRequest& request) {
    auto* const engine = find(request.name);
    if (engine == nullptr) {
        return unknown_subscription(request.name);
    }
    engine->open(request);
    return ok();
}

void DeliveryShardImpl::add_credit(SessionId session, std::uint32_t credit) {
    if (auto* const engine = find_session(session)) {
        engine->add_credit(session, credit);
    }
}

void DeliveryShardImpl::settle(SessionId session, Settlement settlement, SettleDone done) {
    if (auto* const engine = find_session(session)) {
        engine->settle(session, settlement, std::move(done));
        return;
    }
    done(fail(Errc::stale_delivery, "the consumer's session has ended: open it again"));
}

void DeliveryShardImpl::close(SessionId session) {
    if (auto* const engine = find_session(session)) {
        engine->close(session);
    }
}

Result<SubscriptionProgress> DeliveryShardImpl::progress(const std::string& name) const {
    const auto* const engine = find(name);
    if (engine == nullptr) {
        return unknown_subscription(name);
    }
    return engine->progress();
}

}  // namespace

std::unique_ptr<DeliveryShard> make_delivery_shard(Shard& shard,
                                                   const DeliveryTable& table,
                                                   const DeliveryOptions& options) {
    return std::make_unique<DeliveryShardImpl>(shard, table, options);
}

}  // namespace millrace::broker::delivery
