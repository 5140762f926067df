#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "broker/consensus/group.hpp"
#include "broker/consensus/group_io.hpp"

namespace millrace::broker::consensus {

/// libraft's instance, what it calls, and what waits for it.
struct Group::Impl {
    /// A proposal under way; libraft holds a pointer to `request`.
    struct Proposal {
        struct raft_apply request {};
        Impl* owner = nullptr;
        std::uint64_t number = 0;
        ProposeDone done;
    };

    /// Somebody wants to know when this entry is on this node's disk.
    struct Storing {
        raft_term term = 0;
        raft_index number = 0;  ///< libraft's
        Stored stored;
    };

    /// Belongs to libraft, which always calls back.
    struct Confirmation {
        struct raft_barrier request {};
        ConfirmDone done;
    };

    Impl(GroupOptions given,
         Runtime& runtime,
         storage::ShardStore* const& store,
         StateMachine& state_machine)
        : options(std::move(given)),
          machine(state_machine),
          io(options, runtime, store, [this] { look(); }) {}

    GroupOptions options;
    StateMachine& machine;
    GroupIo io;
    raft_fsm fsm{};
    raft instance{};
    struct raft_barrier barrier {};
    struct raft_transfer transfer {};
    struct raft_change member_change {};
    std::function<void(Result<void>)> member_change_done;  ///< empty: none is under way
    raft_term barrier_term = 0;                            ///< for which a barrier was asked for
    raft_term ready_term = 0;   ///< in which all of earlier terms is applied
    raft_term served_term = 0;  ///< 0: it does not serve
    Role told;
    std::uint64_t told_members = 0;
    bool is_loaded = false;
    bool is_initialised = false;
    bool has_started = false;
    RaftIndex last_command;  ///< libraft raises its last_applied only after the callback
    std::uint64_t last_proposal = 0;
    std::map<std::uint64_t, std::unique_ptr<Proposal>> proposals;  ///< by number: in order
    std::deque<Storing> storing;                                   ///< of the proposals, in order
    std::optional<Error> failure;
    bool is_unreadable = false;  ///< an entry of the log; what follows it can't be applied

    void install_machine();
    Result<void> begin_term();
    [[nodiscard]] bool may_ask_to_lead(NodeId node) const;
    [[nodiscard]] Result<void> check_members() const;
    [[nodiscard]] Result<void> submit(const MemberChange& change);
    void end_change(int status);
    void look();
    [[nodiscard]] Role role();
    int apply(const raft_buffer& buffer);
    static int make_snapshot(raft_buffer** buffers, unsigned* count);
    void adapt_snapshots();
    Result<void> checked(int code, std::string_view verb);
    void tell_stored();
    void end_all(const Error& error);
    void fail_for_good(const Error& error);
    static void on_applied(struct raft_apply* request, int status, void* result) noexcept;
};

}  // namespace millrace::broker::consensus
