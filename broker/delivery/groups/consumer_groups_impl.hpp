#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "broker/delivery/commands.hpp"
#include "broker/delivery/groups/consumer_groups.hpp"
#include "broker/delivery/groups/group_lag.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

struct DeliveryTable;

/// Errors: invalid_argument.
[[nodiscard]] Result<void> check_group_name(const std::string& group);

/// See ConsumerGroups. Offsets of a group lie in the state under `o/<group>`, as CBOR pairs.
class ConsumerGroupsImpl final : public ConsumerGroups {
  public:
    explicit ConsumerGroupsImpl(Shard& shard);

    [[nodiscard]] Result<JoinAnswer> join(const JoinRequest& request) override;
    [[nodiscard]] Result<void> heartbeat(const std::string& name,
                                         const std::string& member_id,
                                         std::uint32_t generation) override;
    void leave(const std::string& name, const std::string& member_id) override;
    void commit(OffsetCommit request, std::function<void(Result<void>)> done) override;
    [[nodiscard]] Result<std::vector<CommittedOffset>> offsets(
        const std::string& name) const override;
    [[nodiscard]] std::vector<GroupStatus> list() const override;
    [[nodiscard]] Result<GroupStatus> describe(const std::string& name) const override;

    void restore(storage::ShardStore& store);
    void apply(const OffsetCommand& command);
    void start();
    /// Tells the shards of the partitions what the groups of one round of `rounds` have committed.
    void tell_offsets(std::uint32_t round, std::uint32_t rounds, const DeliveryTable& table);

  private:
    struct Member {
        JoinRequest request;
        std::uint32_t joined_generation = 0;  ///< that it was told of
        std::vector<PartitionId> partitions;
        SteadyTime deadline{};
    };
    struct Group {
        std::uint32_t generation = 0;
        std::map<std::string, Member> members;
        std::map<PartitionId, Offset> offsets;
        /// Who was told last that a partition is its own: whoever that is reads it, until another
        /// one joins and learns that it has it now.
        std::map<PartitionId, std::string> holders;
        std::size_t commits = 0;  ///< under way
    };
    using Groups = std::map<std::string, Group>;
    [[nodiscard]] Result<Group*> find_or_make(const std::string& name);
    void drop_if_empty(Groups::iterator group);
    void drop_empty();
    void put_offsets(const std::string& name, const Group& group);
    [[nodiscard]] Result<void> check_seek(const OffsetCommit& request) const;
    /// Leaves in the request what the member may commit; true when that is all.
    [[nodiscard]] bool keep_own(OffsetCommit& request) const;
    void propose(OffsetCommit request, bool is_whole, std::function<void(Result<void>)> done);
    void rebalance(Group& group);
    void drop_silent();
    void on_catalog();
    [[nodiscard]] std::vector<std::vector<GroupOffsets>> offsets_by_shard(
        std::uint32_t round, std::uint32_t rounds) const;
    [[nodiscard]] std::vector<PartitionId> wanted_by(const Member& member) const;
    [[nodiscard]] static std::vector<CommittedOffset> list_offsets(const Group& group);
    [[nodiscard]] static GroupStatus status_of(const std::string& name, const Group& group);

    Shard& shard_;
    Groups groups_;
    std::uint64_t last_member_ = 0;
    std::set<PartitionId> known_partitions_;
    std::set<std::pair<std::uint32_t, ShardId>>
        told_;  ///< rounds in which a shard was told of some
};

}  // namespace millrace::broker::delivery
