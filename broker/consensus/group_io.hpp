#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "broker/consensus/catch_up.hpp"
#include "broker/consensus/group.hpp"
#include "broker/consensus/term_starts.hpp"
#include "storage/base/random.hpp"

extern "C" {
#include <raft.h>
}

namespace millrace::broker::consensus {

/// Of a hard-state frame: the term and the vote.
inline constexpr std::size_t hard_state_bytes = 16;

/// libraft's disk, clock and network: the shard's log, and the links to the other replicas.
///
/// Promise:  callbacks of appends come in order, each once its entries are durable.
/// Threads:  the shard's. Callbacks are noexcept.
class GroupIo {
  public:
    /// An entry that is in the log and not yet applied.
    struct Logged {
        RaftIndex index;
        /// What libraft counts it as: it knows of no gap where an entry is gone from the log.
        raft_index raft_number = 0;
        RaftTerm term;
        unsigned short raft_type = 0;
        storage::FramePlace place;
        /// Of a recovered command, whose payload libraft was not given; else 0.
        std::size_t payload_bytes = 0;
    };

    /// `on_step` runs after libraft was given a message or the time.
    GroupIo(const GroupOptions& options,
            Runtime& runtime,
            storage::ShardStore* const& store,
            std::function<void()> on_step);
    GroupIo(const GroupIo&) = delete;
    GroupIo& operator=(const GroupIo&) = delete;
    GroupIo(GroupIo&&) = delete;
    GroupIo& operator=(GroupIo&&) = delete;
    ~GroupIo();

    [[nodiscard]] raft_io* interface() { return &io_; }
    void recover_frame(const storage::FrameView& frame, storage::FramePlace place, bool in_state);
    /// Reads what the last checkpoint kept. Before `raft_start`.
    [[nodiscard]] Result<void> load_state();
    /// Ends the log with an entry that makes this node the only member. After `load_state`. Errors:
    /// those of the store.
    [[nodiscard]] Result<void> go_on_alone();
    [[nodiscard]] bool is_pristine() const;
    /// Nobody ever led: there is nothing in the log but who may.
    [[nodiscard]] bool is_new() const;
    /// Of the newest configuration in the log; none of a group that begins.
    [[nodiscard]] std::vector<Member> members() const;
    /// Rises with every change of `members`.
    [[nodiscard]] std::uint64_t members_version() const { return members_version_; }
    void write_state(storage::StateWriter& state) const;

    void on_durable(CommitSequence commit);
    void on_failed();
    /// Term and number, as libraft counts, of the entry that became durable last. Those of its term
    /// before it are durable, too; of another term's nothing follows.
    [[nodiscard]] std::pair<raft_term, raft_index> stored() const {
        return {stored_term_, stored_number_};
    }
    /// The next command to be applied; forgets barriers and configurations before it.
    [[nodiscard]] Logged take_next_command();
    /// What a recovered command says, from the log. Errors: io, corrupt.
    [[nodiscard]] Result<std::span<const std::byte>> payload_of(const Logged& command) const {
        return store_->read_payload(command.place, command.payload_bytes);
    }
    /// Everything up to what libraft counts as `number` is applied.
    void forget_applied(raft_index number);
    [[nodiscard]] std::optional<CommitSequence> first_unapplied() const;
    /// Hands out the records of entries whose effect is in the state, but which its checkpoint does
    /// not cover; once. Errors: io, corrupt.
    [[nodiscard]] Result<void> visit_settled(
        const std::function<void(storage::FramePlace, std::span<const std::byte>)>& visit);
    /// No entry is missing between those that were recovered. **Requires** `load_state`.
    [[nodiscard]] bool is_whole() const;
    /// Nothing stands for the entries before the first one that was recovered.
    [[nodiscard]] bool has_lost_its_beginning() const {
        return applied_.index.value == 0 && !recovered_.empty() &&
               recovered_.front().logged.index > RaftIndex{1};
    }
    [[nodiscard]] const std::string& failure() const { return failure_; }
    /// The log is as it should be, libraft is not: it has to be started again.
    [[nodiscard]] bool begins_anew() const { return begins_anew_; }
    /// Others hold the same log.
    [[nodiscard]] bool is_replicated() const { return options_.links != nullptr; }
    /// Bytes that another replica sent. Errors: malformed, checksum_mismatch.
    [[nodiscard]] Result<void> receive(NodeId from, std::span<const std::byte> bytes);
    /// No entry goes to this node; 0: to all.
    void hold_back(NodeId node) { held_back_ = node; }
    [[nodiscard]] double entry_bytes_average() const { return entry_bytes_average_; }

  private:
    struct Recovered {
        Logged logged;
        std::uint16_t entry_type = 0;
        std::uint32_t batch_count = 0;
        bool in_state = false;           ///< as the store says
        std::vector<std::byte> payload;  ///< of libraft's own entries; commands stay in the log
    };
    struct PendingAppend {
        raft_io_append* request = nullptr;
        raft_io_append_cb done = nullptr;
        CommitSequence commit;
        std::size_t bytes = 0;
        std::uint64_t term = 0;  ///< of the last entry
        raft_index number = 0;   ///< the same
    };
    struct PendingSend {
        raft_io_send* request = nullptr;
        raft_io_send_cb done = nullptr;
        int status = 0;
    };
    struct PendingGet {
        raft_io_snapshot_get* request = nullptr;
        raft_io_snapshot_get_cb done = nullptr;
    };
    struct Applied {
        RaftIndex index;
        RaftTerm term;
    };
    struct Configuration {
        RaftIndex index;
        std::string bytes;
    };

    /// Recovered entries kept for others although the state has them.
    static constexpr std::ptrdiff_t entries_in_state_max = 65'536;

    void forget_earliest();
    void keep_settled();
    void note_unloaded(Logged logged, raft_index number);
    int load(raft_term* term,
             raft_id* vote,
             raft_snapshot** snapshot,
             raft_index* first,
             raft_entry** entries,
             size_t* count);
    int load_snapshot(raft_snapshot** snapshot) const;
    static void load_entry(const Recovered& from, raft_entry& entry);
    int bootstrap(const raft_configuration& configuration);
    [[nodiscard]] Result<void> log_configuration(const raft_configuration& configuration,
                                                 RaftIndex index);
    [[nodiscard]] RaftIndex last_recovered() const;
    int store_hard_state();
    int append(raft_io_append* request,
               std::span<const raft_entry> entries,
               raft_io_append_cb done);
    int append_entry(const raft_entry& entry);
    int truncate(raft_index number);
    int snapshot_put(raft_io_snapshot_put* request, raft_io_snapshot_put_cb done);
    int send(raft_io_send* request, const raft_message& message, raft_io_send_cb done);
    [[nodiscard]] bool send_whole(const raft_message& message);
    [[nodiscard]] bool send_in_place_of(const raft_append_entries& append, NodeId to);
    void note_unsent(const Error& why);
    void note_behind(NodeId leader, raft_index last);
    [[nodiscard]] bool send_now(NodeId to, const raft_message& message);
    [[nodiscard]] Result<void> load_payloads(std::span<raft_entry> entries,
                                             raft_index first,
                                             std::vector<std::vector<std::byte>>& contents);
    void end_sends(int status);
    int snapshot_get(raft_io_snapshot_get* request, raft_io_snapshot_get_cb done);
    void end_gets(int status);
    void answer_install(NodeId from, const raft_install_snapshot& install);
    [[nodiscard]] bool has_entry(raft_index index, raft_term term) const;
    void limit_early_answer(raft_message& message) const;
    [[nodiscard]] raft_message checked_answer(const raft_message& message);
    void skip_what_is_applied(raft_append_entries& append) const;
    [[nodiscard]] bool is_leader() const;
    [[nodiscard]] int pick_below(int range);
    void schedule_tick();
    void note_configuration(RaftIndex index, std::span<const std::byte> payload);
    [[nodiscard]] Configuration applied_configuration() const;
    [[nodiscard]] std::optional<raft_index> conflict_with_members(
        const raft_append_entries& append) const;
    Result<void> take_back_members(raft_index first);
    static GroupIo& self(raft_io* io) { return *static_cast<GroupIo*>(io->impl); }
    void install_callbacks();
    void install_disk_callbacks();
    void install_peer_callbacks();
    int failed(const Error& error);

    GroupOptions options_;
    Runtime& runtime_;
    storage::ShardStore* const& store_;
    std::function<void()> on_step_;
    raft_io io_{};
    raft_io_tick_cb tick_ = nullptr;
    raft_io_recv_cb receive_ = nullptr;
    TimerId timer_ = 0;
    Random random_;
    std::uint64_t term_ = 0;
    std::uint64_t vote_ = 0;
    Applied applied_;
    /// That of the state, and those of entries behind it; they may be taken out again.
    std::deque<Configuration> configurations_;
    std::uint64_t members_version_ = 0;
    std::vector<Recovered> recovered_;
    std::vector<Recovered> settled_;  ///< recovered, and in the state already
    RaftIndex next_index_{1};
    raft_index next_number_ = 1;  ///< libraft's for it
    std::deque<Logged> logged_;
    TermStarts terms_;
    CatchUp catch_up_;
    /// Recovered commands in libraft's memory without their payload, which is read from the log
    /// where another replica needs it.
    std::deque<Logged> unloaded_;
    Logged gone_;  ///< the last of these that the log has no more, where one was asked for
    std::deque<PendingAppend> pending_;
    std::size_t pending_bytes_ = 0;
    raft_term stored_term_ = 0;  ///< of the last entry that is durable
    raft_index stored_number_ = 0;
    /// What was compared with the log of the leader of a term, and matches up to there.
    struct Compared {
        std::uint64_t term = 0;
        raft_index upto = 0;
        raft_index asked_upto = 0;  ///< where the entries under way would end
    };
    Compared compared_;
    std::vector<PendingSend> sends_;
    std::string unsent_;      ///< why an entry could not be sent, as was logged
    raft_index lacking_ = 0;  ///< the last entry that no leader has for this log, as was logged
    NodeId held_back_;
    std::vector<PendingGet> gets_;
    std::string failure_;
    bool begins_anew_ = false;
    double entry_bytes_average_ = 4096;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::consensus
