#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "broker/shard/command_queue.hpp"
#include "broker/shard/intake/batch_acceptor.hpp"
#include "broker/shard/intake/publish_gate.hpp"
#include "broker/shard/intake/publish_queue.hpp"
#include "broker/shard/retention_walk.hpp"
#include "broker/shard/shard.hpp"
#include "broker/shard/shard_catalog.hpp"
#include "broker/shard/shard_groups.hpp"

namespace millrace::broker {

/// Routes between store, groups, catalog, what comes in and delivery.
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
    bool is_new() const override { return groups_.is_new(); }
    Result<void> found() override;
    void serve() override;
    void receive(NodeId from, GroupId group, std::span<const std::byte> message) override {
        groups_.receive(from, group, message);
    }
    ShardStanding standing() const override {
        auto standing = groups_.standing();
        standing.has_failed = failure_.has_value();
        standing.is_damaged = is_damaged_;
        if (is_damaged_) {
            standing.damaged_segments = store_->damaged_segments();
        }
        return standing;
    }
    void note_damaged(const std::vector<SegmentSequence>& segments) override;
    void on_standing(std::function<void()> listener) override {
        tell_standing_ = std::move(listener);
    }
    void on_behind(std::function<void(NodeId leader)> listener) override {
        tell_behind_ = std::move(listener);
    }
    void transfer(NodeId to) override { groups_.transfer(to); }
    bool hand_over(NodeId preferred) override { return groups_.hand_over(preferred); }
    void confirm_lead(CommandDone done) override;
    std::vector<consensus::GroupStatus> groups() const override { return groups_.status(); }
    void find_entry(const storage::EntryRequest& request, storage::FindEntryDone done) override;
    void on_members(std::function<void()> listener) override {
        tell_members_ = std::move(listener);
    }
    void change_members(GroupId group,
                        const consensus::MemberChange& change,
                        CommandDone done) override {
        groups_.change_members(group, change, std::move(done));
    }
    void leave() override { groups_.stop(); }

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
    GroupId data_group() const override { return ShardGroups::data_group(options_.id); }

    void on_recovered_frame(const storage::FrameView& frame,
                            storage::FramePlace place,
                            bool in_state) override;
    void on_durable(CommitSequence commit) override;
    void on_failed(const Error& error) override;
    void on_checkpoint(storage::StateWriter& state) override;
    void on_damage(const Error& damage) override;
    void on_repaired() override;
    void apply(const consensus::Entry& entry) override;
    void find_again(storage::FramePlace place, std::span<const std::byte> payload) override {
        store_pointer_->index_batches(place, payload);
    }

  private:
    /// Of commit, frame, entry and command.
    static constexpr std::size_t entry_header_bytes_max = 4_KiB;

    [[nodiscard]] bool owns_catalog() const { return options_.id.value == 0; }
    [[nodiscard]] ShardCatalog::Wiring catalog_wiring();
    [[nodiscard]] ShardGroups::Wiring group_wiring();
    [[nodiscard]] Result<void> lead_alone();
    void begin_serving();
    [[nodiscard]] Result<void> end_well();
    void found_cluster(consensus::ProposeDone done);
    void note_applied();
    [[nodiscard]] std::optional<Error> refusal();
    [[nodiscard]] bool was_accepted_here(const consensus::Entry& entry);
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

    ShardOptions options_;
    Runtime& runtime_;
    MetricsRegistry& metrics_;
    const ShardTable& table_;
    CommandHandler* handler_ = nullptr;
    storage::ShardStore* store_pointer_ = nullptr;  ///< what the groups see
    std::unique_ptr<storage::ShardStore> store_;
    PublishQueue queue_;
    PublishQueue sequences_;
    CommandQueue commands_;
    BatchAcceptor acceptor_;
    ShardCatalog catalog_;
    ShardGroups groups_;
    std::function<void()> tell_standing_;
    std::function<void(NodeId)> tell_behind_;
    std::function<void()> tell_members_;
    std::vector<AdvanceListener> advance_listeners_;
    std::vector<CatalogListener> catalog_listeners_;
    std::vector<PartitionId> advanced_;  ///< some more than once
    CommitSequence durable_;
    SteadyTime last_turn_{};
    SteadyTime suspect_until_{};
    bool knows_cluster_ = false;
    bool is_serving_ = false;  ///< else what is applied was not accepted here
    bool has_started_ = false;
    bool is_stopping_ = false;
    bool is_damaged_ = false;
    bool is_wake_set_ = false;
    std::optional<Error> failure_;
    RetentionWalk retention_;
};

}  // namespace millrace::broker
