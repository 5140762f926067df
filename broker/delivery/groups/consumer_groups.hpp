#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker {
class Shard;
}

namespace millrace::broker::delivery {

struct CommittedOffset {
    PartitionId partition;
    Offset offset;
};
struct JoinRequest {
    std::string group;
    std::string member_id;  ///< empty at the first join
    std::string client_name;
    std::string peer;
    std::vector<std::string> topics;
    std::chrono::milliseconds session_timeout{10'000};
};
struct JoinAnswer {
    std::string member_id;
    std::uint32_t generation = 0;
    std::vector<PartitionId> partitions;
    std::vector<CommittedOffset> committed;
};
struct MemberStatus {
    std::string member_id;
    std::string client_name;
    std::string peer;
    std::vector<PartitionId> partitions;
};
struct GroupStatus {
    std::string name;
    std::uint32_t generation = 0;
    std::vector<MemberStatus> members;
    std::vector<CommittedOffset> offsets;
};
struct OffsetCommit {
    std::string group;
    std::string member_id;  ///< empty: an administrator's seek
    std::uint32_t generation = 0;
    std::vector<CommittedOffset> offsets;
};

/// Consumer groups whose home is this shard: who is in, who reads what, how far.
///
/// Promise:  a partition belongs to one member of the newest generation; a committed offset
/// survives a crash once answered. Membership
///           is memory: after a restart members join again. A group without members and offsets is
///           forgotten; offsets go with the topic of their partition.
/// Threads:  the shard's.
/// Errors:   rebalancing (stale generation: join again), unknown_group, conflict (seek with members
/// present), limit_reached, invalid_argument, unknown_partition.
class ConsumerGroups {
  public:
    ConsumerGroups() = default;
    ConsumerGroups(const ConsumerGroups&) = delete;
    ConsumerGroups& operator=(const ConsumerGroups&) = delete;
    ConsumerGroups(ConsumerGroups&&) = delete;
    ConsumerGroups& operator=(ConsumerGroups&&) = delete;
    virtual ~ConsumerGroups() = default;

    static constexpr std::size_t groups_max = 10'000;  ///< of one shard
    static constexpr std::size_t members_per_group_max = 1'000;
    static constexpr std::chrono::milliseconds session_timeout_min{100};
    static constexpr std::chrono::milliseconds session_timeout_max{30 * 60 * 1'000};

    [[nodiscard]] virtual Result<JoinAnswer> join(const JoinRequest& request) = 0;
    [[nodiscard]] virtual Result<void> heartbeat(const std::string& group,
                                                 const std::string& member_id,
                                                 std::uint32_t generation) = 0;
    virtual void leave(const std::string& group, const std::string& member_id) = 0;
    /// A member commits what it was given, also when the group has a new generation, until another
    /// member was given it. Where something else is among the offsets, that is left out, the rest
    /// is kept, and the answer is `rebalancing`.
    virtual void commit(OffsetCommit request, std::function<void(Result<void>)> done) = 0;
    [[nodiscard]] virtual Result<std::vector<CommittedOffset>> offsets(
        const std::string& group) const = 0;
    [[nodiscard]] virtual std::vector<GroupStatus> list() const = 0;
    [[nodiscard]] virtual Result<GroupStatus> describe(const std::string& group) const = 0;
};

/// The shard that a group lives on.
[[nodiscard]] ShardId home_of_group(const std::string& group, std::uint32_t shard_count);

}  // namespace millrace::broker::delivery
