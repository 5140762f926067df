#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "broker/consensus/group.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker {

/// The consensus groups of one shard: its data group, and on shard 0 the catalog's before it.
///
/// Threads:  the shard's.
class ShardGroups {
  public:
    struct Wiring {
        consensus::StateMachine& data;
        consensus::StateMachine& catalog;
        std::function<void(const Error&)> on_failure;
        std::function<void()> on_role;  ///< of any of them
        std::function<void(NodeId leader)> on_behind;
        std::function<void(std::size_t bytes)> on_caught_up;  ///< sent to a node that lacked them
        std::function<void()> on_members;                     ///< of any of them
    };
    ShardGroups(const ShardOptions& options,
                Runtime& runtime,
                storage::ShardStore* const& store,
                Wiring wiring);

    [[nodiscard]] consensus::Group& data() { return *groups_.back(); }
    /// **Requires** shard 0.
    [[nodiscard]] consensus::Group& catalog() { return *groups_.front(); }
    [[nodiscard]] static GroupId data_group(ShardId shard) { return GroupId{shard.value + 1}; }

    void recover_frame(const storage::FrameView& frame, storage::FramePlace place, bool in_state);
    /// After the store has opened. Errors: as Group::load.
    [[nodiscard]] Result<void> load();
    [[nodiscard]] Result<void> start();
    [[nodiscard]] bool has_started() const { return has_started_; }
    /// Nothing was ever agreed on in any of them.
    [[nodiscard]] bool is_new() const;

    void receive(NodeId from, GroupId group, std::span<const std::byte> message);
    [[nodiscard]] ShardStanding standing() const;
    /// Hands `to` the lead of those that this node leads.
    void transfer(NodeId to);
    [[nodiscard]] bool is_transferring() const;
    void serve();
    /// Of any group, as consensus::Group has it.
    [[nodiscard]] bool has_lost_lead() const;
    /// As Shard::confirm_lead.
    void confirm(const consensus::ConfirmDone& done);
    /// As Shard::hand_over.
    bool hand_over(NodeId preferred);
    [[nodiscard]] std::vector<consensus::GroupStatus> status() const;
    void change_members(GroupId group,
                        const consensus::MemberChange& change,
                        std::function<void(Result<void>)> done);

    void on_durable(CommitSequence commit);
    /// Everything of all groups in commits up to here is applied.
    [[nodiscard]] CommitSequence applied_upto() const;
    void on_failed(const Error& error);
    void write_state(storage::StateWriter& state) const;
    void stop();

  private:
    [[nodiscard]] bool has(GroupId group) const;
    /// **Requires** `has`.
    [[nodiscard]] consensus::Group& group_of(GroupId group);

    ShardId shard_;
    std::vector<std::unique_ptr<consensus::Group>> groups_;
    bool has_started_ = false;
    NodeId preferred_heir_;        ///< of the last `hand_over`
    std::size_t heirs_tried_ = 0;  ///< since it was another
};

}  // namespace millrace::broker
