#include "broker/consensus/group.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "broker/consensus/group_impl.hpp"

namespace millrace::broker::consensus {
namespace {

constexpr unsigned install_timeout_ms = 3'000;

}  // namespace

Group::Group(GroupOptions options,
             Runtime& runtime,
             storage::ShardStore* const& store,
             StateMachine& machine)
    : impl_(std::make_unique<Impl>(std::move(options), runtime, store, machine)) {
    impl_->install_machine();
}

Group::~Group() {
    stop();
}

void Group::recover_frame(const storage::FrameView& frame,
                          storage::FramePlace place,
                          bool in_state) {
    impl_->io.recover_frame(frame, place, in_state);
}

Result<void> Group::load() {
    auto& self = *impl_;
    self.is_loaded = true;
    MILLRACE_TRY(self.io.load_state());
    if (self.options.goes_on_alone) {
        MILLRACE_TRY(self.io.go_on_alone());
    }
    MILLRACE_TRY(self.check_members());
    const auto name = "group " + std::to_string(self.options.group.value);
    if (self.io.is_replicated() && !self.io.is_whole()) {
        return fail(Errc::corrupt, name + ": entries are missing from the log");
    }
    if (self.io.has_lost_its_beginning()) {
        return fail(Errc::corrupt,
                    name +
                        ": the log does not reach back to its first entry, and no whole copy of "
                        "the state in it stands for what is gone");
    }
    return self.io.visit_settled(
        [&self](storage::FramePlace place, std::span<const std::byte> payload) {
            self.machine.find_again(place, payload);
        });
}

bool Group::is_new() const {
    return impl_->io.is_new();
}

Result<void> Group::start() {
    auto& self = *impl_;
    if (!self.is_loaded) {
        MILLRACE_TRY(load());
    }
    MILLRACE_TRY(self.checked(raft_init(&self.instance,
                                        self.io.interface(),
                                        &self.fsm,
                                        self.options.self.value,
                                        self.options.address.c_str()),
                              "initialise"));
    self.is_initialised = true;
    self.instance.data = &self;
    const auto millis = [](Duration d) {
        return static_cast<unsigned>(
            std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
    };
    raft_set_election_timeout(&self.instance, millis(self.options.election_timeout));
    raft_set_heartbeat_timeout(&self.instance, millis(self.options.heartbeat_timeout));
    raft_set_pre_vote(&self.instance, true);
    raft_set_install_snapshot_timeout(&self.instance, install_timeout_ms);
    self.adapt_snapshots();
    if (self.io.is_pristine()) {
        raft_configuration configuration{};
        raft_configuration_init(&configuration);
        auto voters = self.options.voters;
        if (voters.empty()) {
            voters.push_back({.node = self.options.self, .address = self.options.address});
        }
        for (const auto& [node, address] : voters) {
            MILLRACE_TRY(self.checked(
                raft_configuration_add(&configuration, node.value, address.c_str(), RAFT_VOTER),
                "configure"));
        }
        const int code = raft_bootstrap(&self.instance, &configuration);
        raft_configuration_close(&configuration);
        MILLRACE_TRY(self.checked(code, "bootstrap"));
    }
    MILLRACE_TRY(self.checked(raft_start(&self.instance), "start"));
    self.has_started = true;
    if (self.io.is_replicated()) {
        self.look();
        return ok();
    }
    if (!is_leader()) {
        return fail(
            Errc::not_leader,
            "group " + std::to_string(self.options.group.value) + " of one voter does not lead");
    }
    return self.begin_term();
}

Result<void> Group::receive(NodeId from, std::span<const std::byte> message) {
    return impl_->io.receive(from, message);
}

void Group::transfer(NodeId to) {
    auto& self = *impl_;
    auto replicas = status().replicas;
    // One that has to be copied first would hold up everything until the attempt ends.
    std::erase_if(replicas, [to](const ReplicaProgress& replica) {
        return !replica.votes || replica.is_behind || (to.value != 0 && replica.node != to);
    });
    const auto target = std::ranges::max_element(replicas, {}, &ReplicaProgress::match);
    if (target == replicas.end() || !self.may_ask_to_lead(target->node)) {
        return;
    }
    self.instance.transfer = nullptr;
    (void)raft_transfer(
        &self.instance, &self.transfer, target->node.value, [](struct raft_transfer*) {});
}

bool Group::is_transferring() const {
    return impl_->is_initialised && impl_->instance.transfer != nullptr;
}

Role Group::role() const {
    return impl_->role();
}

GroupStatus Group::status() const {
    auto& self = *impl_;
    GroupStatus status{.group = self.options.group,
                       .role = self.role(),
                       .last = RaftIndex{},
                       .applied = self.last_command,
                       .replicas = {},
                       .members = members()};
    if (!self.is_initialised) {
        return status;
    }
    status.last = RaftIndex{raft_last_index(&self.instance)};
    status.applied = RaftIndex{raft_last_applied(&self.instance)};
    const auto& configuration = self.instance.configuration;
    for (unsigned i = 0; is_leader() && i < configuration.n; ++i) {
        const auto& progress = self.instance.leader_state.progress[i];
        const NodeId node{configuration.servers[i].id};
        if (node != self.options.self) {
            status.replicas.push_back({.node = node,
                                       .match = RaftIndex{progress.match_index},
                                       .is_behind = progress.snapshot_index > 0,
                                       .is_heard = progress.recent_recv,
                                       .votes = configuration.servers[i].role == RAFT_VOTER});
        }
    }
    return status;
}

void Group::propose(std::uint16_t type,
                    std::uint32_t batch_count,
                    EntryBuffer entry,
                    ProposeDone done,
                    Stored stored) {
    auto& self = *impl_;
    if (self.failure) {
        done(*self.failure);
        return;
    }
    if (has_lost_lead()) {
        done(fail(Errc::not_leader, "this node has lost the lead, and begins anew"));
        return;
    }
    auto proposal = std::make_unique<Impl::Proposal>();
    const auto number = ++self.last_proposal;
    proposal->owner = &self;
    proposal->number = number;
    proposal->done = std::move(done);
    proposal->request.data = proposal.get();
    entry.set_prefix({.type = type, .batch_count = batch_count});
    const raft_buffer buffer{.base = entry.data_, .len = sizeof(EntryBuffer::Prefix) + entry.size_};
    auto* const request = &proposal->request;
    self.proposals.emplace(number, std::move(proposal));
    const int code = raft_apply(&self.instance, request, &buffer, 1, &Impl::on_applied);
    if (code == 0) {
        (void)entry.release();  // libraft's now
        if (stored) {
            self.storing.push_back({.term = self.instance.current_term,
                                    .number = request->index,
                                    .stored = std::move(stored)});
        }
        self.adapt_snapshots();
        return;
    }
    auto node = self.proposals.extract(number);
    const bool is_fatal = !self.io.failure().empty();
    auto error = fail(is_fatal ? Errc::shard_failed : Errc::not_leader,
                      self.io.failure().empty() ? raft_strerror(code) : self.io.failure());
    if (is_fatal) {
        on_failed(error);
    }
    node.mapped()->done(std::move(error));
}

void Group::confirm(ConfirmDone done) {
    auto& self = *impl_;
    const auto refusal = fail(Errc::not_leader, "this node does not lead");
    if (self.failure || !is_leader()) {
        done(refusal);
        return;
    }
    auto confirmation = std::make_unique<Impl::Confirmation>();
    confirmation->done = std::move(done);
    auto* const request = &confirmation->request;
    request->data = confirmation.get();
    const int code =
        raft_barrier(&self.instance, request, [](struct raft_barrier* ended, int status) noexcept {
            const std::unique_ptr<Impl::Confirmation> own(
                static_cast<Impl::Confirmation*>(ended->data));
            own->done(status == 0 ? Result<void>(ok())
                                  : Result<void>(fail(Errc::not_leader, raft_strerror(status))));
        });
    if (code == 0) {
        (void)confirmation.release();
    } else {
        confirmation->done(refusal);
    }
}

void Group::serve() {
    impl_->served_term = impl_->instance.current_term;
}

bool Group::has_lost_lead() const {
    const auto& self = *impl_;
    return self.served_term > 0 && (self.served_term != self.instance.current_term || !is_leader());
}

bool Group::is_leader() const {
    return impl_->is_initialised && raft_state(&impl_->instance) == RAFT_LEADER;
}

void Group::on_durable(CommitSequence commit) {
    impl_->io.on_durable(commit);
    if (impl_->is_initialised) {
        // Behind libraft: what it has committed by now needs no word of its own.
        impl_->tell_stored();
        impl_->io.forget_applied(raft_last_applied(&impl_->instance));
        impl_->look();
    }
}

void Group::on_failed(const Error& error) {
    impl_->fail_for_good(error);
}

void Group::write_state(storage::StateWriter& state) const {
    impl_->io.write_state(state);
}

CommitSequence Group::applied_upto() const {
    const auto first = impl_->io.first_unapplied();
    return first ? *first - 1 : CommitSequence{UINT64_MAX};
}

void Group::stop() {
    auto& self = *impl_;
    if (!self.is_initialised) {
        return;
    }
    self.is_initialised = false;
    self.has_started = false;
    self.end_all(fail(Errc::shutting_down, "the broker is stopping"));
    raft_close(&self.instance, nullptr);
}

}  // namespace millrace::broker::consensus
