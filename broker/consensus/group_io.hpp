#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "broker/consensus/group.hpp"
#include "storage/base/random.hpp"

extern "C" {
#include <raft.h>
}

namespace millrace::broker::consensus {

/// libraft's disk and clock over the shard's log. Peers are reached by nobody yet: a group of one
/// sends nothing.
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

    GroupIo(const GroupOptions& options, Runtime& runtime, storage::ShardStore* const& store);
    GroupIo(const GroupIo&) = delete;
    GroupIo& operator=(const GroupIo&) = delete;
    GroupIo(GroupIo&&) = delete;
    GroupIo& operator=(GroupIo&&) = delete;
    ~GroupIo();

    [[nodiscard]] raft_io* interface() { return &io_; }
    void recover_frame(const storage::FrameView& frame, storage::FramePlace place, bool in_state);
    /// Reads what the last checkpoint kept. Before `raft_start`.
    [[nodiscard]] Result<void> load_state();
    [[nodiscard]] bool is_pristine() const;
    void write_state(storage::StateWriter& state) const;

    void on_durable(CommitSequence commit);
    void on_failed();
    /// The next command to be applied; forgets barriers and configurations before it.
    [[nodiscard]] Logged take_next_command();
    /// What a recovered command says, from the log. Errors: io, corrupt.
    [[nodiscard]] Result<std::span<const std::byte>> payload_of(const Logged& command) const {
        return store_->read_payload(command.place, command.payload_bytes);
    }
    /// Everything up to what libraft counts as `number` is applied.
    void forget_applied(raft_index number);
    [[nodiscard]] std::optional<CommitSequence> first_unapplied() const;
    /// Nothing stands for the entries before the first one that was recovered.
    [[nodiscard]] bool has_lost_its_beginning() const {
        return applied_.index.value == 0 && !recovered_.empty() &&
               recovered_.front().logged.index > RaftIndex{1};
    }
    [[nodiscard]] const std::string& failure() const { return failure_; }
    [[nodiscard]] double entry_bytes_average() const { return entry_bytes_average_; }

  private:
    struct Recovered {
        Logged logged;
        std::uint16_t entry_type = 0;
        std::uint32_t batch_count = 0;
        std::vector<std::byte> payload;  ///< of libraft's own entries; commands stay in the log
    };
    struct PendingAppend {
        raft_io_append* request = nullptr;
        raft_io_append_cb done = nullptr;
        CommitSequence commit;
    };
    struct Applied {
        RaftIndex index;
        RaftTerm term;
        RaftIndex configuration_index;
        std::string configuration;
    };

    int load(raft_term* term,
             raft_id* vote,
             raft_snapshot** snapshot,
             raft_index* first,
             raft_entry** entries,
             size_t* count);
    int load_snapshot(raft_snapshot** snapshot) const;
    static void load_entry(const Recovered& from, raft_entry& entry);
    int bootstrap(const raft_configuration& configuration);
    int store_hard_state();
    int append(raft_io_append* request,
               std::span<const raft_entry> entries,
               raft_io_append_cb done);
    int append_entry(const raft_entry& entry);
    int truncate(raft_index number);
    int snapshot_put(raft_io_snapshot_put* request, raft_io_snapshot_put_cb done);
    void schedule_tick();
    void note_configuration(RaftIndex index, std::span<const std::byte> payload);
    static GroupIo& self(raft_io* io) { return *static_cast<GroupIo*>(io->impl); }
    void install_callbacks();
    void install_disk_callbacks();
    int failed(const Error& error);

    GroupOptions options_;
    Runtime& runtime_;
    storage::ShardStore* const& store_;
    raft_io io_{};
    raft_io_tick_cb tick_ = nullptr;
    TimerId timer_ = 0;
    Random random_;
    std::uint64_t term_ = 0;
    std::uint64_t vote_ = 0;
    Applied applied_;
    RaftIndex configuration_index_;
    std::string configuration_;
    std::vector<Recovered> recovered_;
    RaftIndex next_index_{1};
    raft_index next_number_ = 1;  ///< libraft's for it
    std::deque<Logged> logged_;
    std::deque<PendingAppend> pending_;
    std::string failure_;
    double entry_bytes_average_ = 4096;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::consensus
