#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "broker/consensus/group_impl.hpp"
#include "storage/base/assert.hpp"

// What happens inside a group: entries are applied, terms begin, failures end it.
namespace millrace::broker::consensus {
namespace {

constexpr double threshold_min = 64;
constexpr double threshold_max = 8192;
/// What a replica missed while it was away comes from the leader's memory, or else as a whole copy:
/// there bytes are the bound, not entries.
constexpr double threshold_replicated_max = 262'144;

}  // namespace

void Group::Impl::install_machine() {
    fsm.version = 1;
    fsm.data = this;
    fsm.apply = [](raft_fsm* machine_fsm, const raft_buffer* buffer, void** result) noexcept {
        *result = nullptr;
        return static_cast<Impl*>(machine_fsm->data)->apply(*buffer);
    };
    fsm.snapshot = [](raft_fsm*, raft_buffer** buffers, unsigned* count) noexcept {
        return make_snapshot(buffers, count);
    };
    fsm.restore = [](raft_fsm*, raft_buffer* buffer) noexcept {
        // The state machine's state came back with the store's.
        raft_free(buffer->base);
        return 0;
    };
}

int Group::Impl::apply(const raft_buffer& buffer) {
    if (is_unreadable) {
        return RAFT_IOERR;
    }
    const auto logged = io.take_next_command();
    last_command = logged.index;
    EntryBuffer::Prefix prefix;
    const std::span bytes(static_cast<const std::byte*>(buffer.base), buffer.len);
    MILLRACE_ASSERT(bytes.size() >= sizeof(prefix));
    std::memcpy(&prefix, bytes.data(), sizeof(prefix));
    auto payload = bytes.subspan(sizeof(prefix));
    if (logged.payload_bytes > 0) {
        const auto found = io.payload_of(logged);
        if (!found) {
            is_unreadable = true;
            fail_for_good(found.error());
            return RAFT_IOERR;
        }
        payload = found.value();
    }
    machine.apply({.index = logged.index,
                   .term = logged.term,
                   .type = prefix.type,
                   .payload = payload,
                   .place = logged.place});
    return 0;
}

int Group::Impl::make_snapshot(raft_buffer** buffers, unsigned* count) {
    *buffers = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
    if (*buffers == nullptr) {
        return RAFT_NOMEM;
    }
    (*buffers)[0] = {.base = raft_calloc(1, 1), .len = 1};
    *count = 1;
    return 0;
}

void Group::Impl::adapt_snapshots() {
    const auto entries =
        static_cast<double>(options.trailing_bytes_max) / std::max(io.entry_bytes_average(), 1.0);
    const auto most = io.is_replicated() ? threshold_replicated_max : threshold_max;
    const auto threshold = static_cast<unsigned>(std::clamp(entries / 2, threshold_min / 2, most));
    raft_set_snapshot_threshold(&instance, threshold);
    raft_set_snapshot_trailing(&instance, threshold / 2);
}

/// libraft 0.15 appends nothing of its own at the start of a term; without this, what earlier terms
/// left stays uncommitted.
Result<void> Group::Impl::begin_term() {
    barrier_term = instance.current_term;
    barrier.data = this;
    return checked(raft_barrier(&instance,
                                &barrier,
                                [](struct raft_barrier* request, int status) noexcept {
                                    auto& owner = *static_cast<Impl*>(request->data);
                                    if (status == 0) {
                                        owner.ready_term = owner.barrier_term;
                                        owner.look();
                                    }
                                }),
                   "commit what was recovered");
}

/// A replica that has just come back takes the lead only when it knows who has it, and libraft
/// waits an election timeout for what it was asked in vain: it is asked again before that.
bool Group::Impl::may_ask_to_lead(NodeId node) const {
    const auto* const asked = instance.transfer;
    if (asked == nullptr) {
        return true;
    }
    const auto now = instance.io->time(instance.io);
    return asked->id == node.value && now - asked->start >= instance.heartbeat_timeout / 2;
}

Role Group::Impl::role() {
    raft_id leader = 0;
    const char* address = nullptr;
    if (is_initialised && !failure) {
        raft_leader(&instance, &leader, &address);
    }
    return {.leads = leader == options.self.value && ready_term == instance.current_term,
            .leader = NodeId{leader},
            .term = RaftTerm{instance.current_term}};
}

/// Notices what libraft has become meanwhile.
void Group::Impl::look() {
    if (!has_started || failure) {
        return;
    }
    if (io.begins_anew()) {
        fail_for_good(fail(Errc::conflict, io.failure()));
        return;
    }
    io.forget_applied(raft_last_applied(&instance));
    const int state = raft_state(&instance);
    if (state == RAFT_UNAVAILABLE) {
        const auto known = io.failure();
        fail_for_good(fail(
            Errc::shard_failed,
            known.empty() ? "consensus stopped: " + std::string(raft_errmsg(&instance)) : known));
        return;
    }
    if (state == RAFT_LEADER && barrier_term != instance.current_term) {
        if (const auto begun = begin_term(); !begun) {
            fail_for_good(begun.error());
            return;
        }
    }
    if (const auto version = io.members_version();
        std::exchange(told_members, version) != version) {
        if (options.on_members) {
            options.on_members();
        }
    }
    if (const auto now = role(); now != told) {
        told = now;
        if (options.on_role) {
            options.on_role(now);
        }
    }
}

Result<void> Group::Impl::checked(int code, std::string_view verb) {
    if (code == 0) {
        return ok();
    }
    const auto known = failure ? failure->text : io.failure();
    const auto why = known.empty() ? std::string(raft_errmsg(&instance)) : known;
    return fail(Errc::shard_failed,
                "group " + std::to_string(options.group.value) + ": cannot " + std::string(verb) +
                    ": " + why);
}

/// What was applied meanwhile has been answered, and whoever waited for it is not there any more.
void Group::Impl::tell_stored() {
    const auto upto = io.stored();
    while (!storing.empty() && std::pair(storing.front().term, storing.front().number) <= upto) {
        const auto next = std::move(storing.front());
        storing.pop_front();
        if (next.term == upto.first && next.number > raft_last_applied(&instance)) {
            next.stored();
        }
    }
}

/// Answers all that is under way, in order of asking. The requests stay: libraft holds pointers to
/// them until it is closed.
void Group::Impl::end_all(const Error& error) {
    if (auto done = std::exchange(member_change_done, nullptr)) {
        done(error);
    }
    storing.clear();
    std::vector<ProposeDone> waiting;
    for (auto& [number, proposal] : proposals) {
        if (auto done = std::exchange(proposal->done, nullptr)) {
            waiting.push_back(std::move(done));
        }
    }
    for (const auto& done : waiting) {
        done(error);
    }
}

void Group::Impl::fail_for_good(const Error& error) {
    if (failure) {
        return;
    }
    failure = fail(Errc::shard_failed,
                   (error.code == Errc::conflict ? "this replica begins anew: "
                                                 : "this shard's disk failed: ") +
                       error.text,
                   error.os_error);
    io.on_failed();
    if (options.on_failure) {
        options.on_failure(error);
    }
    end_all(*failure);
}

void Group::Impl::on_applied(struct raft_apply* request, int status, void* /*result*/) noexcept {
    auto* const found = static_cast<Proposal*>(request->data);
    auto& owner = *found->owner;
    const auto node = owner.proposals.extract(found->number);
    if (node.empty() || !node.mapped()->done) {
        return;
    }
    if (status == 0) {
        node.mapped()->done(RaftIndex{owner.last_command});
    } else {
        owner.storing.clear();
        node.mapped()->done(
            status == RAFT_LEADERSHIPLOST
                ? fail(Errc::not_leader, "the lead was lost before this was kept for certain")
                : fail(Errc::shard_failed, raft_strerror(status)));
    }
}

}  // namespace millrace::broker::consensus
