#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "broker/consensus/entry_buffer.hpp"
#include "broker/runtime/runtime.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker::consensus {

/// A committed entry.
struct Entry {
    RaftIndex index;
    RaftTerm term;
    std::uint16_t type = 0;  ///< storage::entry_type_records, or one of the shard's
    std::span<const std::byte> payload;
    storage::FramePlace place;
};

/// What a group does to the world. Called once per committed entry, in order.
class StateMachine {
  public:
    StateMachine() = default;
    StateMachine(const StateMachine&) = delete;
    StateMachine& operator=(const StateMachine&) = delete;
    StateMachine(StateMachine&&) = delete;
    StateMachine& operator=(StateMachine&&) = delete;
    virtual ~StateMachine() = default;
    virtual void apply(const Entry& entry) = 0;
    /// During `start`, records whose effect is in the recovered state already: only their places
    /// are not known yet.
    virtual void find_again(storage::FramePlace /*place*/, std::span<const std::byte> /*payload*/) {
    }
};

/// The way to the other replicas of a group.
class PeerLinks {
  public:
    PeerLinks() = default;
    PeerLinks(const PeerLinks&) = delete;
    PeerLinks& operator=(const PeerLinks&) = delete;
    PeerLinks(PeerLinks&&) = delete;
    PeerLinks& operator=(PeerLinks&&) = delete;
    virtual ~PeerLinks() = default;
    /// False where there is no connection, or too much waits on it: the message is lost then, and
    /// consensus sends what is still of use again.
    virtual bool send(NodeId to, GroupId group, std::vector<std::byte> message) = 0;
};

/// A replica that counts in majorities.
struct Voter {
    NodeId node;
    std::string address;
};

enum class MemberRole : std::uint8_t {
    spare,    ///< has no part in it yet
    standby,  ///< is sent the log, and does not count
    voter,    ///< counts in majorities
};

/// A node of a group's configuration.
struct Member {
    NodeId node;
    std::string address;
    MemberRole role = MemberRole::voter;
    bool operator==(const Member&) const = default;
};
/// Null where it is none of them.
[[nodiscard]] const Member* find_member(const std::vector<Member>& members, NodeId node);
[[nodiscard]] bool is_voter(const std::vector<Member>& members, NodeId node);

/// One change of the configuration.
struct MemberChange {
    NodeId node;
    std::optional<MemberRole> role;  ///< nothing: it leaves. One that is no member begins as spare
    std::string address = {};        ///< of one that is no member yet
};

/// What a replica is in its group.
struct Role {
    bool leads = false;  ///< and has applied all that earlier terms left
    NodeId leader;       ///< 0 while nobody is known to lead
    RaftTerm term;
    auto operator<=>(const Role&) const = default;
};

/// How far a replica is, as its leader knows.
struct ReplicaProgress {
    NodeId node;
    RaftIndex match;         ///< everything up to here is on its disk
    bool is_behind = false;  ///< what it lacks is no longer in the leader's memory
    bool is_heard = false;   ///< within about an election timeout
    bool votes = true;       ///< else it can't lead
};

struct GroupStatus {
    GroupId group;
    Role role;
    RaftIndex last;
    RaftIndex applied;
    std::vector<ReplicaProgress> replicas;  ///< at the leader, without itself
    std::vector<Member> members;
};

struct GroupOptions {
    GroupId group;
    NodeId self{1};
    std::string address = "local";
    /// Of a group that begins; empty: this node alone.
    std::vector<Voter> voters = {};
    /// A majority is gone for good: from now on this node is the only member, whatever the log
    /// says, and what the log has is committed.
    bool goes_on_alone = false;
    /// Null: nobody else has a replica. Outlives the group.
    PeerLinks* links = nullptr;
    std::uint64_t random_seed = 1;
    Duration tick{100'000};
    Duration election_timeout{600'000};
    Duration heartbeat_timeout{150'000};
    std::size_t trailing_bytes_max =
        std::size_t{8} * 1024 * 1024;  ///< entries that libraft keeps in memory
    /// Pace at which a replica that lacks more than that gets it from the log; 0: no limit.
    std::uint64_t catch_up_bytes_per_second = 0;
    /// Told once when the group has failed for good, before what is under way is answered.
    std::function<void(const Error&)> on_failure = {};
    std::function<void(const Role&)> on_role = {};
    /// Bytes of entries were sent from the log to a replica that lacks them.
    std::function<void(std::size_t bytes)> on_caught_up = {};
    /// The leader no longer has what this replica lacks: the shard has to be copied.
    std::function<void(NodeId leader)> on_behind = {};
    std::function<void()> on_members = {};  ///< they, or what one of them is, changed
};

/// The index at which the entry was applied.
using ProposeDone = std::function<void(Result<RaftIndex>)>;
/// The entry is durable here, and not known to be on a majority: it may still be lost.
using Stored = std::function<void()>;
using ConfirmDone = std::function<void(Result<void>)>;

/// One consensus group: libraft with the shard's log as its disk. A group of one voter takes the
/// same path as a larger one: append, durable, committed, applied, acked.
///
/// Place:    above the store, below shard; this folder is the only code that includes raft.h.
/// Threads:  the shard's.
/// On disk:  entries and hard state as frames; {term, vote, applied index and term, configuration}
/// in the store's
///           state at every checkpoint of the store. libraft's own snapshots only trim its memory:
///           what they stand for is the store's checkpoint and the frames behind it.
/// Failure:  a failed append, or a recovered entry that can't be read again, stops it for good:
///           proposals end with shard_failed.
class Group {
  public:
    /// `store` is set once the store is open; `machine` outlives the group.
    Group(GroupOptions options,
          Runtime& runtime,
          storage::ShardStore* const& store,
          StateMachine& machine);
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    Group(Group&&) = delete;
    Group& operator=(Group&&) = delete;
    ~Group();

    /// While the store opens: the group's frames, in log order.
    void recover_frame(const storage::FrameView& frame, storage::FramePlace place, bool in_state);
    /// After the store has opened; `start` does it where nobody has. Errors: corrupt; configuration
    /// where this node stands alone and the log says otherwise, or the other way round.
    [[nodiscard]] Result<void> load();
    /// Nobody was ever elected here: nothing can have been agreed on. **Requires** `load`.
    [[nodiscard]] bool is_new() const;
    /// Bootstraps a new group or starts the recovered one. With this node as the only voter it
    /// leads when it returns, and the barrier that applies everything recovered is on its way to
    /// the disk; with others, `on_role` tells. Errors: corrupt where entries are missing;
    /// shard_failed.
    [[nodiscard]] Result<void> start();
    /// Bytes that another replica handed to its links. Errors: malformed, checksum_mismatch.
    [[nodiscard]] Result<void> receive(NodeId from, std::span<const std::byte> message);
    /// As the newest configuration in this log says, committed or not; of a group that begins, who
    /// it will be founded with. **Requires** `load`.
    [[nodiscard]] std::vector<Member> members() const;
    /// One at a time; `done` once it is committed. Errors: not_leader, also while earlier terms are
    /// not committed; conflict, while another change is under way, or for one that changes nothing;
    /// unavailable, where a replica that is to vote does not catch up. Who leads stays a voter.
    void change(const MemberChange& change, std::function<void(Result<void>)> done);
    /// Hands the lead to a voter once that has everything, to the one that has most where `to` is
    /// 0; nothing happens where it can't.
    void transfer(NodeId to);
    /// A transfer is under way: proposals are refused meanwhile.
    [[nodiscard]] bool is_transferring() const;
    [[nodiscard]] Role role() const;
    [[nodiscard]] GroupStatus status() const;
    /// From now on this node proposes in the term that is now, and in no other: what it remembers
    /// of what it proposed may be wrong once another has led.
    void serve();
    /// Since `serve`. True for good, also where this node leads again.
    [[nodiscard]] bool has_lost_lead() const;
    /// `done` runs after the entry was applied, or with why it may never be: another leads, which
    /// may have it or not. `stored` runs before that, at most once, where this node leads and has
    /// the entry on its disk before it is applied; never in a group of one voter.
    void propose(std::uint16_t type,
                 std::uint32_t batch_count,
                 EntryBuffer entry,
                 ProposeDone done,
                 Stored stored = {});
    [[nodiscard]] bool is_leader() const;
    /// `done` runs when a majority has said since this call that nobody leads in a later term.
    /// Errors: not_leader.
    void confirm(ConfirmDone done);

    /// To be called from the store's events.
    void on_durable(CommitSequence commit);
    void on_failed(const Error& error);
    void write_state(storage::StateWriter& state) const;
    /// Everything of this group in commits up to here is applied.
    [[nodiscard]] CommitSequence applied_upto() const;
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker::consensus
