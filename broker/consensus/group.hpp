#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "broker/runtime/runtime.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker::consensus {

/// A committed entry.
struct Entry {
    RaftIndex index;
    RaftTerm term;
    std::uint16_t type =
        0;  ///< storage::entry_type_records, entry_type_catalog, entry_type_delivery
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
};

struct GroupOptions {
    GroupId group;
    NodeId self{1};
    std::string address = "local";
    std::uint64_t random_seed = 1;
    Duration tick{100'000};
    Duration election_timeout{600'000};
    Duration heartbeat_timeout{150'000};
    std::size_t trailing_bytes_max = 8 * 1024 * 1024;  ///< entries that libraft keeps in memory
};

/// Memory for an entry that will belong to libraft: written by the proposer, never copied again
/// before the log.
class EntryBuffer {
  public:
    EntryBuffer() = default;
    EntryBuffer(EntryBuffer&& other) noexcept;
    EntryBuffer& operator=(EntryBuffer&& other) noexcept;
    EntryBuffer(const EntryBuffer&) = delete;
    EntryBuffer& operator=(const EntryBuffer&) = delete;
    ~EntryBuffer();

    /// Appends room for `bytes` (8-byte aligned as long as all appends are multiples of 8) and
    /// returns it. Invalidated by the next.
    [[nodiscard]] std::span<std::byte> extend(std::size_t bytes);
    [[nodiscard]] std::span<std::byte> payload();
    [[nodiscard]] std::size_t size_bytes() const;
    [[nodiscard]] bool is_empty() const { return size_bytes() == 0; }

  private:
    friend class Group;
    std::byte* data_ = nullptr;  ///< from raft_malloc, with a prefix for the entry's type
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
};

/// The index at which the entry was applied.
using ProposeDone = std::function<void(Result<RaftIndex>)>;

/// One consensus group: libraft with the shard's log as its disk. A group of one voter takes the
/// same path as a larger one: append, durable, committed, applied, acked.
///
/// Place:    above the store, below shard; the only code that includes raft.h.
/// Threads:  the shard's.
/// On disk:  entries, hard state and checkpoints as frames; {term, vote, applied index and term,
/// configuration} in the store's
///           state at every checkpoint of the store.
/// Failure:  a failed append stops it for good: proposals end with shard_failed.
class Group {
  public:
    /// `machine` outlives the group. Recovery: call `recover_frame` for the group's frames, then
    /// `start`.
    Group(GroupOptions options,
          Runtime& runtime,
          storage::ShardStore*& store,
          StateMachine& machine);
    Group(const Group&) = delete;
    Group& operator=(const Group&) = delete;
    Group(Group&&) = delete;
    Group& operator=(Group&&) = delete;
    ~Group();

    void recover_frame(const storage::FrameView& frame, storage::FramePlace place, bool in_state);
    /// Bootstraps a new group with this node as the only voter, or starts the recovered one; leads
    /// when it returns (a group of one), with everything recovered applied.
    [[nodiscard]] Result<void> start();
    void propose(std::uint16_t type,
                 std::uint32_t batch_count,
                 EntryBuffer entry,
                 ProposeDone done);
    [[nodiscard]] bool is_leader() const;
    /// To be called from the store's events.
    void on_durable(CommitSequence commit);
    void on_failed(const Error& error);
    void write_state(storage::StateWriter& state);
    /// Commit up to which all entries of this group are applied; used for ShardStore::mark_applied.
    [[nodiscard]] CommitSequence applied_commit() const;
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::broker::consensus
