#include "broker/consensus/group.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "broker/consensus/group_io.hpp"
#include "storage/base/assert.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::consensus {
namespace {

constexpr double threshold_min = 64;
constexpr double threshold_max = 8192;

}  // namespace

struct Group::Impl {
    /// A proposal under way; libraft holds a pointer to `request`.
    struct Proposal {
        struct raft_apply request {};
        Impl* owner = nullptr;
        ProposeDone done;
    };

    Impl(GroupOptions given,
         Runtime& runtime,
         storage::ShardStore* const& store,
         StateMachine& state_machine)
        : options(std::move(given)), machine(state_machine), io(options, runtime, store) {}

    GroupOptions options;
    StateMachine& machine;
    GroupIo io;
    raft_fsm fsm{};
    raft instance{};
    struct raft_barrier barrier {};
    bool is_initialised = false;
    RaftIndex last_command;  ///< libraft raises its last_applied only after the callback
    std::map<Proposal*, std::unique_ptr<Proposal>> proposals;
    std::optional<Error> failure;
    bool is_unreadable = false;  ///< an entry of the log; what follows it can't be applied

    void install_machine();
    int apply(const raft_buffer& buffer);
    static int make_snapshot(raft_buffer** buffers, unsigned* count);
    void adapt_snapshots();
    Result<void> checked(int code, std::string_view verb);
    void end_all(const Error& error);
    void fail_for_good(const Error& error);
    static void on_applied(struct raft_apply* request, int status, void* result) noexcept;
};

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
    const auto threshold =
        static_cast<unsigned>(std::clamp(entries / 2, threshold_min / 2, threshold_max));
    raft_set_snapshot_threshold(&instance, threshold);
    raft_set_snapshot_trailing(&instance, threshold / 2);
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

/// Answers all that is under way. The requests stay: libraft holds pointers to them until it is
/// closed.
void Group::Impl::end_all(const Error& error) {
    std::vector<ProposeDone> waiting;
    for (auto& [key, proposal] : proposals) {
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
    failure = fail(Errc::shard_failed, "this shard's disk failed: " + error.text, error.os_error);
    io.on_failed();
    if (options.on_failure) {
        options.on_failure(error);
    }
    end_all(*failure);
}

void Group::Impl::on_applied(struct raft_apply* request, int status, void* /*result*/) noexcept {
    auto* const found = static_cast<Proposal*>(request->data);
    auto& owner = *found->owner;
    const auto node = owner.proposals.extract(found);
    if (node.empty() || !node.mapped()->done) {
        return;
    }
    if (status == 0) {
        node.mapped()->done(RaftIndex{owner.last_command});
    } else {
        node.mapped()->done(
            fail(status == RAFT_LEADERSHIPLOST ? Errc::not_leader : Errc::shard_failed,
                 raft_strerror(status)));
    }
}

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

Result<void> Group::start() {
    auto& self = *impl_;
    MILLRACE_TRY(self.io.load_state());
    if (self.io.has_lost_its_beginning()) {
        return fail(Errc::corrupt,
                    "group " + std::to_string(self.options.group.value) +
                        ": the log does not reach back to its first entry, and no whole copy of "
                        "the state in it stands for what is gone");
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
    self.adapt_snapshots();
    if (self.io.is_pristine()) {
        raft_configuration configuration{};
        raft_configuration_init(&configuration);
        MILLRACE_TRY(self.checked(
            raft_configuration_add(
                &configuration, self.options.self.value, self.options.address.c_str(), RAFT_VOTER),
            "configure"));
        const int code = raft_bootstrap(&self.instance, &configuration);
        raft_configuration_close(&configuration);
        MILLRACE_TRY(self.checked(code, "bootstrap"));
    }
    MILLRACE_TRY(self.checked(raft_start(&self.instance), "start"));
    if (!is_leader()) {
        return fail(
            Errc::not_leader,
            "group " + std::to_string(self.options.group.value) + " of one voter does not lead");
    }
    // libraft 0.15 appends nothing of its own at the start of a term; without this, what earlier
    // terms left stays uncommitted.
    return self.checked(
        raft_barrier(&self.instance, &self.barrier, [](struct raft_barrier*, int) noexcept {}),
        "commit what was recovered");
}

void Group::propose(std::uint16_t type,
                    std::uint32_t batch_count,
                    EntryBuffer entry,
                    ProposeDone done) {
    auto& self = *impl_;
    if (self.failure) {
        done(*self.failure);
        return;
    }
    auto proposal = std::make_unique<Impl::Proposal>();
    proposal->owner = &self;
    proposal->done = std::move(done);
    proposal->request.data = proposal.get();
    entry.set_prefix({.type = type, .batch_count = batch_count});
    const raft_buffer buffer{.base = entry.data_, .len = sizeof(EntryBuffer::Prefix) + entry.size_};
    auto* const request = &proposal->request;
    auto* const key = proposal.get();
    self.proposals.emplace(key, std::move(proposal));
    const int code = raft_apply(&self.instance, request, &buffer, 1, &Impl::on_applied);
    if (code == 0) {
        (void)entry.release();  // libraft's now
        self.adapt_snapshots();
        return;
    }
    auto node = self.proposals.extract(key);
    const bool is_fatal = !self.io.failure().empty();
    auto error = fail(is_fatal ? Errc::shard_failed : Errc::not_leader,
                      self.io.failure().empty() ? raft_strerror(code) : self.io.failure());
    if (is_fatal) {
        on_failed(error);
    }
    node.mapped()->done(std::move(error));
}

bool Group::is_leader() const {
    return impl_->is_initialised && raft_state(&impl_->instance) == RAFT_LEADER;
}

void Group::on_durable(CommitSequence commit) {
    impl_->io.on_durable(commit);
    if (impl_->is_initialised) {
        impl_->io.forget_applied(raft_last_applied(&impl_->instance));
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
    self.end_all(fail(Errc::shutting_down, "the broker is stopping"));
    raft_close(&self.instance, nullptr);
}

}  // namespace millrace::broker::consensus
