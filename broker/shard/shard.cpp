#include "broker/shard/shard.hpp"

#include <algorithm>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "broker/consensus/group.hpp"
#include "broker/shard/batch_acceptor.hpp"
#include "broker/shard/command_queue.hpp"
#include "broker/shard/publish_gate.hpp"
#include "broker/shard/publish_queue.hpp"
#include "broker/shard/retention_walk.hpp"
#include "broker/shard/shard_catalog.hpp"
#include "storage/base/assert.hpp"
#include "storage/base/logging.hpp"
#include "storage/base/random.hpp"

namespace millrace::broker {
namespace {

constexpr Duration tick_interval{100'000};
constexpr std::size_t entry_header_bytes_max = 4_KiB;  ///< of commit, frame, entry and command
constexpr std::uint64_t sequence_proposals_begin = 1ULL << 63U;  ///< apart from those of batches

class ShardImpl final : public Shard, public storage::StoreEvents, public consensus::StateMachine {
  public:
    ShardImpl(ShardOptions options,
              Runtime& runtime,
              MetricsRegistry& metrics,
              const ShardTable& table);
    ShardImpl(const ShardImpl&) = delete;
    ShardImpl& operator=(const ShardImpl&) = delete;
    ShardImpl(ShardImpl&&) = delete;
    ShardImpl& operator=(ShardImpl&&) = delete;
    ~ShardImpl() override;

    void register_handler(CommandHandler& handler) override { handler_ = &handler; }
    Result<void> open() override;
    Result<void> stop() override;

    ShardId id() const override { return options_.id; }
    Runtime& runtime() override { return runtime_; }
    storage::ShardStore& store() override { return *store_; }
    CatalogService& catalog() override { return catalog_; }
    MetricsRegistry& metrics() override { return metrics_; }
    const ShardOptions& options() const override { return options_; }
    std::optional<Error> failure() const override { return failure_; }
    std::uint64_t records_in() const override { return acceptor_.records_in(); }
    TopicTraffic& traffic() override { return acceptor_.traffic(); }
    void publish(std::span<const PublishBatch> batches, PublishDone done) override;
    std::optional<storage::PartitionBounds> bounds(PartitionId partition) const override;
    void read(const storage::ReadRequest& request, storage::ReadDone done) override;
    void on_advance(AdvanceListener listener) override {
        advance_listeners_.push_back(std::move(listener));
    }
    void on_catalog(CatalogListener listener) override {
        catalog_listeners_.push_back(std::move(listener));
    }
    void propose(std::vector<std::byte> command, CommandDone done) override;
    GroupId data_group() const override { return GroupId{options_.id.value + 1}; }

    void on_recovered_frame(const storage::FrameView& frame,
                            storage::FramePlace place,
                            bool in_state) override;
    void on_durable(CommitSequence commit) override;
    void on_failed(const Error& error) override;
    void on_checkpoint(storage::StateWriter& state) override;
    void apply(const consensus::Entry& entry) override;

  private:
    [[nodiscard]] bool owns_catalog() const { return options_.id.value == 0; }
    [[nodiscard]] ShardCatalog::Wiring catalog_wiring(const ShardTable& table);
    [[nodiscard]] Result<void> start_groups();
    void apply_records(const consensus::Entry& entry);
    void apply_commands(const consensus::Entry& entry);
    void end_turn();
    [[nodiscard]] std::size_t command_bytes_max() const {
        return options_.store.commit_bytes_max - entry_header_bytes_max;
    }
    void wake_for_held();
    [[nodiscard]] PublishQueue::Propose proposer(std::uint16_t type);
    void tell_advances();
    void see_catalog(const CatalogPtr& view);
    void log_failure(const Result<void>& outcome) const;
    void tick();
    void for_each_group(const std::function<void(consensus::Group&)>& visit);

    ShardOptions options_;
    Runtime& runtime_;
    MetricsRegistry& metrics_;
    CommandHandler* handler_ = nullptr;
    storage::ShardStore* store_pointer_ = nullptr;  ///< what the groups see
    std::unique_ptr<storage::ShardStore> store_;
    std::unique_ptr<consensus::Group> catalog_group_;
    std::unique_ptr<consensus::Group> data_;
    PublishQueue queue_;
    PublishQueue sequences_;
    CommandQueue commands_;
    BatchAcceptor acceptor_;
    ShardCatalog catalog_;
    std::vector<AdvanceListener> advance_listeners_;
    std::vector<CatalogListener> catalog_listeners_;
    std::unordered_set<PartitionId> advanced_;
    bool is_recovering_ = true;
    bool has_started_ = false;
    bool is_stopping_ = false;
    bool is_wake_set_ = false;
    std::optional<Error> failure_;
    RetentionWalk retention_;
};

// What is still proposed is answered while everything that the answers reach is there.
ShardImpl::~ShardImpl() {
    for_each_group([](consensus::Group& group) { group.stop(); });
}

ShardImpl::ShardImpl(ShardOptions options,
                     Runtime& runtime,
                     MetricsRegistry& metrics,
                     const ShardTable& table)
    : options_(std::move(options)),
      runtime_(runtime),
      metrics_(metrics),
      queue_(proposer(storage::entry_type_records), 1),
      sequences_(proposer(entry_type_sequences), sequence_proposals_begin),
      commands_(
          options_.id,
          {.command_bytes_max = command_bytes_max()},
          [this](consensus::EntryBuffer entry, consensus::ProposeDone done) {
              data_->propose(entry_type_delivery, 0, std::move(entry), std::move(done));
          },
          metrics),
      acceptor_(options_, runtime.clock(), store_pointer_, {queue_, sequences_}, metrics),
      catalog_(catalog_wiring(table),
               {.topics_max = options_.topics_max,
                .partitions_max = options_.partitions_max,
                .subscriptions_max = options_.subscriptions_max,
                .shard_count = options_.shard_count}),
      retention_([this](PartitionId partition) { acceptor_.forget(partition); }) {
    options_.store.shard = options_.id;
    queue_.on_lost([this](std::uint64_t proposal) { acceptor_.drop_proposal(proposal); });
    sequences_.on_lost([this](std::uint64_t proposal) { acceptor_.drop_proposal(proposal); });
    const consensus::GroupOptions group{.group = data_group(),
                                        .self = options_.node,
                                        .random_seed = options_.random_seed,
                                        .on_failure = [this](const Error& e) { on_failed(e); }};
    data_ = std::make_unique<consensus::Group>(group, runtime_, store_pointer_, *this);
    if (owns_catalog()) {
        auto first = group;
        first.group = GroupId{0};
        catalog_group_ =
            std::make_unique<consensus::Group>(first, runtime_, store_pointer_, catalog_);
    }
}

PublishQueue::Propose ShardImpl::proposer(std::uint16_t type) {
    return [this, type](std::uint32_t batch_count, consensus::EntryBuffer entry, auto done) {
        if (type == entry_type_sequences) {
            queue_.flush();  // sequences name places of records that may still be in there
        }
        data_->propose(type, batch_count, std::move(entry), std::move(done));
    };
}

ShardCatalog::Wiring ShardImpl::catalog_wiring(const ShardTable& table) {
    return {
        .shard = options_.id,
        .shard_count = options_.shard_count,
        .runtime = runtime_,
        .store = store_pointer_,
        .peer =
            [&table](ShardId shard) {
                return &static_cast<ShardImpl*>(table.shards[shard.value])->catalog_;
            },
        .propose =
            [this](const std::string& command, consensus::ProposeDone done) {
                const auto fits = CommandQueue::check_size(command.size(), command_bytes_max());
                if (!fits) {
                    done(fits.error());
                    return;
                }
                consensus::EntryBuffer entry;
                std::memcpy(entry.extend(command.size()).data(), command.data(), command.size());
                catalog_group_->propose(entry_type_catalog, 0, std::move(entry), std::move(done));
            },
        .on_view = [this](const CatalogPtr& view) { see_catalog(view); }};
}

void ShardImpl::for_each_group(const std::function<void(consensus::Group&)>& visit) {
    if (catalog_group_) {
        visit(*catalog_group_);
    }
    visit(*data_);
}

Result<void> ShardImpl::open() {
    MILLRACE_TRY(check_limits(options_));
    MILLRACE_TRY(store_,
                 storage::ShardStore::open(
                     runtime_.disk(), runtime_.clock(), metrics_, options_.store, *this));
    store_pointer_ = store_.get();
    MILLRACE_TRY(acceptor_.restore());
    if (owns_catalog()) {
        MILLRACE_TRY(catalog_.restore());
    }
    if (handler_ != nullptr) {
        handler_->restore(*store_);
    }
    MILLRACE_TRY(start_groups());
    is_recovering_ = false;
    runtime_.at_end_of_turn([this] { end_turn(); });
    runtime_.run_after(tick_interval, [this] { tick(); });
    if (owns_catalog()) {
        catalog_.publish_first_view();
    }
    return ok();
}

Result<void> ShardImpl::start_groups() {
    Result<void> outcome = ok();
    for_each_group([&](consensus::Group& group) {
        if (outcome) {
            outcome = group.start();
        }
    });
    MILLRACE_TRY(outcome);
    // The barriers commit and apply everything that was recovered.
    MILLRACE_TRY(store_->sync());
    if (failure_) {
        return *failure_;
    }
    if (owns_catalog() && !catalog_.has_cluster()) {
        const auto command =
            format_found_cluster(std::to_string(Random(options_.random_seed).next()));
        consensus::EntryBuffer entry;
        std::memcpy(entry.extend(command.size()).data(), command.data(), command.size());
        catalog_group_->propose(entry_type_catalog, 0, std::move(entry), [](const auto&) {});
        MILLRACE_TRY(store_->sync());
    }
    return ok();
}

Result<void> ShardImpl::stop() {
    is_stopping_ = true;
    end_turn();
    acceptor_.refuse_held(fail(Errc::shutting_down, "the broker is stopping"));
    if (failure_) {
        return *failure_;
    }
    MILLRACE_TRY(store_->sync());
    while (!commands_.is_empty()) {
        commands_.flush();
        MILLRACE_TRY(store_->sync());
    }
    MILLRACE_TRY(store_->checkpoint());
    for_each_group([](consensus::Group& group) { group.stop(); });
    return ok();
}

void ShardImpl::on_recovered_frame(const storage::FrameView& frame,
                                   storage::FramePlace place,
                                   bool in_state) {
    auto& group = frame.group.value == 0 && catalog_group_ ? *catalog_group_ : *data_;
    group.recover_frame(frame, place, in_state);
}

void ShardImpl::on_durable(CommitSequence commit) {
    auto applied = commit;
    for_each_group([&](consensus::Group& group) {
        group.on_durable(commit);
        applied = std::min(applied, group.applied_upto());
    });
    store_pointer_->mark_applied(applied);
}

void ShardImpl::on_failed(const Error& error) {
    if (failure_) {
        return;  // each group tells, too
    }
    const auto name = "shard " + std::to_string(options_.id.value);
    failure_ =
        fail(Errc::shard_failed, name + " stopped taking writes: " + error.text, error.os_error);
    log_error(name, failure_->text);
    acceptor_.refuse_held(*failure_);
    for_each_group([&](consensus::Group& group) { group.on_failed(error); });
}

void ShardImpl::on_checkpoint(storage::StateWriter& state) {
    for_each_group([&](consensus::Group& group) { group.write_state(state); });
    acceptor_.write_state(*catalog_.view(), state);
    if (handler_ != nullptr) {
        handler_->write_state(state);
    }
}

void ShardImpl::apply(const consensus::Entry& entry) {
    if (entry.type == storage::entry_type_records) {
        apply_records(entry);
    } else if (entry.type == entry_type_delivery) {
        apply_commands(entry);
    } else if (entry.type == entry_type_sequences && is_recovering_) {
        acceptor_.note_recovered_sequences(entry.payload);
    }
}

void ShardImpl::apply_records(const consensus::Entry& entry) {
    store_pointer_->index_batches(entry.place, entry.payload);
    auto rest = entry.payload;
    while (const auto header = load_batch_header(rest)) {
        if (is_recovering_) {
            acceptor_.note_recovered(*header,
                                     rest.subspan(BatchHeader::bytes, header->batch_bytes));
        }
        advanced_.insert(header->partition);
        rest = rest.subspan(header->run_bytes());
    }
}

void ShardImpl::apply_commands(const consensus::Entry& entry) {
    if (handler_ != nullptr) {
        CommandQueue::visit(entry.payload, [&](std::span<const std::byte> command) {
            handler_->apply(entry.index, command);
        });
    }
}

void ShardImpl::publish(std::span<const PublishBatch> batches, PublishDone done) {
    if (!failure_ && !is_stopping_) {
        acceptor_.accept(*catalog_.view(), batches, std::move(done));
        return;
    }
    const auto error = failure_ ? *failure_ : fail(Errc::shutting_down, "the broker is stopping");
    std::vector<PublishOutcome> outcomes;
    outcomes.reserve(batches.size());
    for (const auto& batch : batches) {
        outcomes.push_back({.code = error.code, .duplicate = false, .partition = batch.partition});
    }
    done(std::move(outcomes), error.text);
}

std::optional<storage::PartitionBounds> ShardImpl::bounds(PartitionId partition) const {
    const auto view = catalog_.view();
    const auto* const ref = view->find(partition);
    if (ref == nullptr || ref->info().shard != options_.id) {
        return std::nullopt;
    }
    return store_->bounds(partition);
}

void ShardImpl::read(const storage::ReadRequest& request, storage::ReadDone done) {
    if (!bounds(request.partition)) {
        done(fail(Errc::unknown_partition,
                  "partition " + std::to_string(request.partition.value) + " does not exist"));
        return;
    }
    store_->read(request, std::move(done));
}

void ShardImpl::propose(std::vector<std::byte> command, CommandDone done) {
    if (failure_) {
        done(*failure_);
        return;
    }
    commands_.add(command, std::move(done));
}

void ShardImpl::tell_advances() {
    for (const auto partition : std::exchange(advanced_, {})) {
        const auto next = store_->bounds(partition).next;
        for (const auto& listener : advance_listeners_) {
            listener(partition, next);
        }
    }
}

void ShardImpl::end_turn() {
    if (has_started_) {
        tell_advances();
    }
    acceptor_.admit_held(*catalog_.view());
    wake_for_held();
    queue_.flush();
    sequences_.flush();
    commands_.flush();
    store_->submit();
}

/// A turn ends with what is held back, so that all it takes is a turn.
void ShardImpl::wake_for_held() {
    if (const auto rest = acceptor_.rest_left(); rest && !std::exchange(is_wake_set_, true)) {
        runtime_.run_after(*rest, [this] { is_wake_set_ = false; });
    }
}

void ShardImpl::see_catalog(const CatalogPtr& view) {
    log_failure(retention_.drop_lost(*view, *store_));
    if (!std::exchange(has_started_, true) && handler_ != nullptr) {
        handler_->start();
    }
    for (const auto& listener : catalog_listeners_) {
        listener(view);
    }
}

void ShardImpl::log_failure(const Result<void>& outcome) const {
    if (!outcome) {
        log_error("shard " + std::to_string(options_.id.value), outcome.error().text);
    }
}

void ShardImpl::tick() {
    if (is_stopping_) {
        return;
    }
    // What was accepted while there was space goes out before the store looks at the space again.
    queue_.flush();
    store_->tick();
    // Before the first view nothing says which partitions there are.
    log_failure(has_started_ ? retention_.step(*catalog_.view(), *store_) : ok());
    runtime_.run_after(tick_interval, [this] { tick(); });
}

}  // namespace

std::unique_ptr<Shard> make_shard(ShardOptions options,
                                  Runtime& runtime,
                                  MetricsRegistry& metrics,
                                  const ShardTable& table) {
    return std::make_unique<ShardImpl>(std::move(options), runtime, metrics, table);
}

}  // namespace millrace::broker
