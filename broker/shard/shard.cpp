#include <algorithm>
#include <cstring>
#include <utility>

#include "broker/shard/shard_impl.hpp"
#include "storage/base/assert.hpp"
#include "storage/base/logging.hpp"
#include "storage/base/random.hpp"
#include "storage/io/disk.hpp"

namespace millrace::broker {
namespace {

constexpr Duration tick_interval{100'000};
constexpr std::uint64_t sequence_proposals_begin = 1ULL << 63U;  ///< apart from those of batches

}  // namespace

// What is still proposed is answered while everything that the answers reach is there.
ShardImpl::~ShardImpl() {
    groups_.stop();
}

ShardImpl::ShardImpl(ShardOptions options,
                     Runtime& runtime,
                     MetricsRegistry& metrics,
                     const ShardTable& table)
    : options_(std::move(options)),
      runtime_(runtime),
      metrics_(metrics),
      table_(table),
      queue_(proposer(storage::entry_type_records), 1),
      sequences_(proposer(entry_type_sequences), sequence_proposals_begin),
      commands_(
          options_.id,
          {.command_bytes_max = command_bytes_max()},
          [this](consensus::EntryBuffer entry, consensus::ProposeDone done) {
              groups_.data().propose(entry_type_delivery, 0, std::move(entry), std::move(done));
          },
          metrics),
      acceptor_(options_, runtime.clock(), store_pointer_, {queue_, sequences_}, metrics),
      catalog_(catalog_wiring(),
               {.topics_max = options_.topics_max,
                .partitions_max = options_.partitions_max,
                .subscriptions_max = options_.subscriptions_max,
                .shard_count = options_.shard_count}),
      groups_(options_, runtime_, store_pointer_, group_wiring()),
      retention_([this](PartitionId partition) { acceptor_.forget(partition); }) {
    options_.store.shard = options_.id;
    queue_.on_lost([this](std::uint64_t proposal) { acceptor_.drop_proposal(proposal); });
    sequences_.on_lost([this](std::uint64_t proposal) { acceptor_.drop_proposal(proposal); });
    if (options_.cluster) {
        acceptor_.confirm_with([this](CommandDone done) { confirm_lead(std::move(done)); });
    }
}

Result<void> ShardImpl::open() {
    MILLRACE_TRY(check_limits(options_));
    MILLRACE_TRY(store_,
                 storage::ShardStore::open(
                     runtime_.disk(), runtime_.clock(), metrics_, options_.store, *this));
    store_pointer_ = store_.get();
    if (options_.cluster && store_->stats().frames_quarantined > 0) {
        // A vote or an entry may be among it, and a replica that has forgotten one must not count.
        return fail(Errc::corrupt,
                    "shard " + std::to_string(options_.id.value) + ": the log is damaged");
    }
    MILLRACE_TRY(acceptor_.restore());
    if (owns_catalog()) {
        MILLRACE_TRY(catalog_.restore());
    }
    if (handler_ != nullptr) {
        handler_->restore(*store_);
    }
    MILLRACE_TRY(groups_.load());
    if (!options_.cluster) {
        MILLRACE_TRY(lead_alone());
    } else if (!groups_.is_new()) {
        MILLRACE_TRY(groups_.start());
    }
    // What recovery handed out is not applied before the others have it.
    durable_ = store_->hold_applied(groups_.applied_upto());
    runtime_.at_end_of_turn([this] { end_turn(); });
    runtime_.run_after(tick_interval, [this] { tick(); });
    if (owns_catalog() && is_serving_) {
        catalog_.publish_first_view();
    }
    return ok();
}

Result<void> ShardImpl::found() {
    return groups_.start();
}

Result<void> ShardImpl::lead_alone() {
    MILLRACE_TRY(groups_.start());
    // The barriers commit and apply everything that was recovered.
    MILLRACE_TRY(store_->sync());
    if (failure_) {
        return *failure_;
    }
    if (owns_catalog() && !catalog_.has_cluster()) {
        found_cluster([](const auto&) {});
        MILLRACE_TRY(store_->sync());
    }
    begin_serving();
    return ok();
}

void ShardImpl::found_cluster(consensus::ProposeDone done) {
    const auto command = format_found_cluster(std::to_string(Random(options_.random_seed).next()));
    consensus::EntryBuffer entry;
    std::memcpy(entry.extend(command.size()).data(), command.data(), command.size());
    groups_.catalog().propose(entry_type_catalog, 0, std::move(entry), std::move(done));
}

void ShardImpl::begin_serving() {
    groups_.serve();
    is_serving_ = true;
}

void ShardImpl::serve() {
    // Behind all views that were sent before: those may lag behind the partitions they tell of.
    for (ShardId shard{1}; shard.value < options_.shard_count; ++shard) {
        runtime_.post_to(shard, [this, shard] {
            static_cast<ShardImpl*>(table_.shards[shard.value])->begin_serving();
        });
    }
    begin_serving();
    last_turn_ = runtime_.clock().steady_now();
    // What goes on alone is another cluster: former members with their old data are no part of it.
    if (catalog_.has_cluster() && !options_.cluster->goes_on_alone) {
        catalog_.publish_first_view();
        return;
    }
    found_cluster([this](const Result<RaftIndex>& founded) {
        if (founded) {
            catalog_.publish_first_view();
        }
    });
}

Result<void> ShardImpl::stop() {
    is_stopping_ = true;
    auto stopped = end_well();
    // Reads under way answer who waits for them while all of that is still there.
    runtime_.disk().drain();
    return stopped;
}

Result<void> ShardImpl::end_well() {
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
    groups_.stop();
    return ok();
}

void ShardImpl::on_recovered_frame(const storage::FrameView& frame,
                                   storage::FramePlace place,
                                   bool in_state) {
    groups_.recover_frame(frame, place, in_state);
}

void ShardImpl::on_durable(CommitSequence commit) {
    durable_ = commit;
    groups_.on_durable(commit);
    note_applied();
}

void ShardImpl::note_applied() {
    store_pointer_->mark_applied(std::min(durable_, groups_.applied_upto()));
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
    groups_.on_failed(error);
    if (tell_standing_) {
        tell_standing_();
    }
}

void ShardImpl::on_checkpoint(storage::StateWriter& state) {
    groups_.write_state(state);
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
    } else if (entry.type == entry_type_sequences && !was_accepted_here(entry)) {
        acceptor_.note_recovered_sequences(entry.payload);
    }
}

/// A shard that served may go on for a moment under another leader, and what it writes into its
/// state then has to be right.
bool ShardImpl::was_accepted_here(const consensus::Entry& entry) {
    return is_serving_ && groups_.data().is_leader() && entry.term == groups_.data().role().term;
}

void ShardImpl::apply_records(const consensus::Entry& entry) {
    store_pointer_->index_batches(entry.place, entry.payload);
    const bool is_own = was_accepted_here(entry);
    auto rest = entry.payload;
    while (const auto header = load_batch_header(rest)) {
        if (!is_own) {
            acceptor_.note_recovered(*header,
                                     rest.subspan(BatchHeader::bytes, header->batch_bytes));
        }
        advanced_.push_back(header->partition);
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
    const auto error = refusal();
    if (!error) {
        acceptor_.accept(*catalog_.view(), batches, std::move(done));
        return;
    }
    std::vector<PublishOutcome> outcomes;
    outcomes.reserve(batches.size());
    for (const auto& batch : batches) {
        outcomes.push_back({.code = error->code, .duplicate = false, .partition = batch.partition});
    }
    done(std::move(outcomes), error->text);
}

/// A process that stood still for longer than others wait for it may have been replaced. It says
/// nothing final of what it remembers before it has heard from them.
std::optional<Error> ShardImpl::refusal() {
    if (failure_) {
        return failure_;
    }
    if (is_stopping_) {
        return fail(Errc::shutting_down, "the broker is stopping");
    }
    if (groups_.is_transferring()) {
        return fail(Errc::not_leader, "this node hands the lead to another");
    }
    if (groups_.has_lost_lead()) {
        return fail(Errc::not_leader, "this node has lost the lead");
    }
    if (options_.cluster && is_serving_) {
        const auto now = runtime_.clock().steady_now();
        const auto patience = options_.cluster->election_timeout;
        suspect_until_ = now - last_turn_ > patience ? now + patience / 2 : suspect_until_;
        if (now < suspect_until_) {
            return fail(Errc::not_leader, "this node stood still, another may lead");
        }
    }
    return is_serving_ ? std::nullopt
                       : std::optional(fail(Errc::not_leader, "this node does not lead"));
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

void ShardImpl::end_turn() {
    last_turn_ = runtime_.clock().steady_now();
    if (has_started_) {
        tell_advances();
    }
    if (!is_serving_) {
        catalog_.follow();
        note_applied();
        store_->submit();
        return;
    }
    // A proposal that is refused would leave a gap behind what was accepted already.
    if (!groups_.is_transferring()) {
        acceptor_.admit_held(*catalog_.view());
        wake_for_held();
        queue_.flush();
        sequences_.flush();
        commands_.flush();
    }
    note_applied();
    store_->submit();
}

/// A turn ends with what is held back, so that all it takes is a turn.
void ShardImpl::wake_for_held() {
    if (const auto rest = acceptor_.rest_left(); rest && !std::exchange(is_wake_set_, true)) {
        runtime_.run_after(*rest, [this] { is_wake_set_ = false; });
    }
}

void ShardImpl::see_catalog(const CatalogPtr& view) {
    if (!std::exchange(knows_cluster_, !view->cluster_id.empty()) && tell_members_) {
        tell_members_();
    }
    if (!is_serving_) {
        return;  // the catalog may lag behind the partitions that it tells of
    }
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
    if (!groups_.is_transferring()) {
        queue_.flush();
    }
    store_->tick();
    // Before the first view, and in a replica that follows, the catalog may not know all
    // partitions.
    const bool knows_all = has_started_;
    log_failure(retention_.step(*catalog_.view(), *store_, knows_all));
    runtime_.run_after(tick_interval, [this] { tick(); });
}

std::unique_ptr<Shard> make_shard(ShardOptions options,
                                  Runtime& runtime,
                                  MetricsRegistry& metrics,
                                  const ShardTable& table) {
    return std::make_unique<ShardImpl>(std::move(options), runtime, metrics, table);
}

}  // namespace millrace::broker
