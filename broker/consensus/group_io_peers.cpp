#include <algorithm>
#include <utility>

#include "broker/consensus/group_io.hpp"
#include "broker/consensus/peer_message.hpp"
#include "broker/consensus/raft_bytes.hpp"
#include "storage/base/assert.hpp"
#include "storage/base/logging.hpp"

// What goes to the other replicas and what comes from them.
namespace millrace::broker::consensus {
namespace {

/// Of entries that came and are not durable yet. More is dropped as a network would; the leader
/// sends it again, once this disk has caught up.
constexpr std::size_t received_bytes_max = std::size_t{24} * 1024 * 1024;

/// For as long as it lives a replica gives votes although its own log says that it has none.
///
/// libraft would give none. But the candidate may know a later configuration in which this one
/// counts, and nobody else may be electable; one that does not count there is not counted.
class LentVote {
  public:
    explicit LentVote(raft& instance) {
        for (unsigned i = 0; i < instance.configuration.n; ++i) {
            auto& server = instance.configuration.servers[i];
            if (server.id == instance.id && server.role == RAFT_STANDBY) {
                server.role = RAFT_VOTER;
                server_ = &server;
            }
        }
        forget_silent_leader(instance);
    }
    LentVote(const LentVote&) = delete;
    LentVote& operator=(const LentVote&) = delete;
    LentVote(LentVote&&) = delete;
    LentVote& operator=(LentVote&&) = delete;
    ~LentVote() {
        if (server_ != nullptr) {
            server_->role = RAFT_STANDBY;
        }
    }

  private:
    /// Who knows a leader gives no vote. libraft 0.15 forgets one only when its own time has come,
    /// which is drawn, so that who stands for election first would be refused by all that wait a
    /// little longer. Nothing is heard of a leader for as long as an election waits at least: that
    /// is silence enough for everybody.
    static void forget_silent_leader(raft& instance) {
        const auto silence = instance.io->time(instance.io) - instance.election_timer_start;
        if (instance.state == RAFT_FOLLOWER && silence >= instance.election_timeout) {
            instance.follower_state.current_leader.id = 0;
        }
    }

    raft_server* server_ = nullptr;
};

}  // namespace

int GroupIo::send(raft_io_send* request, const raft_message& message, raft_io_send_cb done) {
    // A lost message is no failure: after one libraft begins again at what it knows to match, which
    // for a replica that was never heard is the first entry of all.
    const NodeId to{message.server_id};
    const bool is_sent = (message.type == RAFT_IO_INSTALL_SNAPSHOT && catch_up_.begin(to)) ||
                         send_whole(checked_answer(message));
    const int status = is_sent || message.type != RAFT_IO_INSTALL_SNAPSHOT ? 0 : RAFT_NOCONNECTION;
    if (done == nullptr) {
        return 0;  // a transfer of leadership, which has a timeout of its own
    }
    sends_.push_back({.request = request, .done = done, .status = status});
    if (sends_.size() > 1) {
        return 0;
    }
    runtime_.post([this, alive = is_alive_] {
        if (*alive) {
            end_sends(0);
        }
    });
    return 0;
}

/// `status` counts for those that had none of their own.
void GroupIo::end_sends(int status) {
    for (const auto& send : std::exchange(sends_, {})) {
        send.done(send.request, send.status == 0 ? status : send.status);
    }
}

/// libraft tries again and again: once is enough in the log.
void GroupIo::note_unsent(const Error& why) {
    if (std::exchange(unsent_, why.text) != why.text) {
        log_warning("group " + std::to_string(options_.group.value), why.text);
    }
}

bool GroupIo::send_whole(const raft_message& message) {
    const NodeId to{message.server_id};
    const auto& append = message.append_entries;
    const bool may_lack_payloads = message.type == RAFT_IO_APPEND_ENTRIES && append.n_entries > 0 &&
                                   !unloaded_.empty() &&
                                   append.prev_log_index < unloaded_.back().raft_number;
    if (!may_lack_payloads) {
        return send_now(to, message);
    }
    if (append.prev_log_index < gone_.raft_number) {
        return send_in_place_of(append, to);
    }
    auto whole = message;
    std::vector<raft_entry> entries(append.entries, append.entries + append.n_entries);
    std::vector<std::vector<std::byte>> contents;
    whole.append_entries.entries = entries.data();
    if (const auto loaded = load_payloads(entries, append.prev_log_index + 1, contents); !loaded) {
        note_unsent(loaded.error());
        return loaded.error().code == Errc::not_found && send_in_place_of(append, to);
    }
    return send_now(to, whole);
}

/// The log has no more what would have to be sent, as where libraft has it no more in memory: the
/// other says that it has the last of it, or has to be copied. A word of the leader goes before
/// that, or the other would stand for election.
bool GroupIo::send_in_place_of(const raft_append_entries& append, NodeId to) {
    raft_message word{};
    word.type = RAFT_IO_APPEND_ENTRIES;
    word.append_entries.term = append.term;
    raft_message install{};
    install.type = RAFT_IO_INSTALL_SNAPSHOT;
    install.install_snapshot.term = append.term;
    install.install_snapshot.last_index = gone_.raft_number;
    install.install_snapshot.last_term = gone_.term.value;
    return send_now(to, word) && send_now(to, install);
}

bool GroupIo::send_now(NodeId to, const raft_message& message) {
    const bool is_held = message.type == RAFT_IO_APPEND_ENTRIES &&
                         message.append_entries.n_entries > 0 && to == held_back_;
    return !is_held && options_.links != nullptr &&
           options_.links->send(to, options_.group, encode_message(message));
}

/// Completes those that libraft has without their payload, the first of which has the number
/// `first`; `contents` owns what they are then.
Result<void> GroupIo::load_payloads(std::span<raft_entry> entries,
                                    raft_index first,
                                    std::vector<std::vector<std::byte>>& contents) {
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const auto number = first + i;
        const auto found = std::ranges::lower_bound(unloaded_, number, {}, &Logged::raft_number);
        if (found == unloaded_.end() || found->raft_number != number) {
            continue;
        }
        const auto payload = payload_of(*found);
        if (!payload) {
            auto error = payload.error();
            error.text = "entry " + std::to_string(number) + " can't be sent: " + error.text;
            gone_ = error.code == Errc::not_found ? *found : gone_;
            return error;
        }
        const auto prefix = bytes_of(entries[i].buf);
        auto& content = contents.emplace_back(prefix.begin(), prefix.end());
        content.insert(content.end(), payload.value().begin(), payload.value().end());
        entries[i].buf = {.base = content.data(), .len = content.size()};
    }
    return ok();
}

Result<void> GroupIo::receive(NodeId from, std::span<const std::byte> bytes) {
    MILLRACE_TRY(auto message, decode_message(bytes));
    if (receive_ == nullptr || !failure_.empty()) {
        drop_message(message);
        return ok();
    }
    if (message.type == RAFT_IO_INSTALL_SNAPSHOT) {
        answer_install(from, message.install_snapshot);
        return ok();
    }
    if (message.type == RAFT_IO_APPEND_ENTRIES && pending_bytes_ > received_bytes_max &&
        message.append_entries.n_entries > 0) {
        drop_message(message);
        return ok();
    }
    if (message.type == RAFT_IO_APPEND_ENTRIES) {
        auto& append = message.append_entries;
        if (const auto conflict = conflict_with_members(append)) {
            drop_message(message);
            return take_back_members(*conflict);
        }
        skip_what_is_applied(append);
        if (compared_.term != append.term) {
            compared_ = {.term = append.term};
        }
        compared_.asked_upto = append.prev_log_index + append.n_entries;
    }
    if (message.type == RAFT_IO_APPEND_ENTRIES_RESULT &&
        catch_up_.hear(from, message.append_entries_result)) {
        return ok();
    }
    message.server_id = from.value;
    message.server_address = "";
    limit_early_answer(message);
    if (message.type == RAFT_IO_REQUEST_VOTE) {
        const LentVote vote(*static_cast<raft*>(io_.data));
        receive_(&io_, &message);
    } else {
        receive_(&io_, &message);
    }
    compared_.asked_upto = 0;
    on_step_();
    return ok();
}

/// libraft 0.15 commits what earlier terms left as soon as it counts a majority for it, which may
/// still be lost. An entry of this term behind it makes it safe: before that is stored, an answer
/// counts for nothing that is not committed. It is not left out: libraft, which begins a term with
/// a probe of each log, would wait for a heartbeat before it sent that entry.
void GroupIo::limit_early_answer(raft_message& message) const {
    const auto* const instance = static_cast<const raft*>(io_.data);
    if (message.type == RAFT_IO_APPEND_ENTRIES_RESULT && instance->state == RAFT_LEADER &&
        stored_term_ != instance->current_term) {
        auto& last = message.append_entries_result.last_log_index;
        last = std::min(last, instance->commit_index);
    }
}

/// libraft 0.15 answers with all that is stored, also where only what comes before was compared:
/// the rest may be left from another leader, and would count for entries that this log does not
/// have.
raft_message GroupIo::checked_answer(const raft_message& message) {
    auto checked = message;
    if (message.type == RAFT_IO_APPEND_ENTRIES_RESULT &&
        message.append_entries_result.rejected == 0) {
        compared_.upto = std::max(compared_.upto, compared_.asked_upto);
        auto& last = checked.append_entries_result.last_log_index;
        last = std::min(last, compared_.upto);
    }
    // libraft 0.15 answers a trial vote with the term that was asked for, also where it refuses for
    // knowing a later one: whoever asks would never learn of that, and ask in vain for ever.
    auto& vote = checked.request_vote_result;
    if (message.type == RAFT_IO_REQUEST_VOTE_RESULT && vote.pre_vote == raft_tribool_true &&
        !vote.vote_granted) {
        vote.term = std::max(vote.term, static_cast<const raft*>(io_.data)->current_term);
    }
    return checked;
}

/// The first entry from the leader of a term that counts here which this log has otherwise, if that
/// takes a change of the members with it; what the leader has is right, whether or not the entries
/// before it match. What is applied is the same everywhere, so that mostly there is nothing to look
/// through.
std::optional<raft_index> GroupIo::conflict_with_members(const raft_append_entries& append) const {
    const auto* const instance = static_cast<const raft*>(io_.data);
    if (append.n_entries == 0 || append.term < instance->current_term || configurations_.empty() ||
        configurations_.back().index <= applied_.index) {
        return std::nullopt;
    }
    for (const auto& logged : logged_) {
        const auto number = logged.raft_number;
        if (number > append.prev_log_index + append.n_entries ||
            logged.index > configurations_.back().index) {
            break;
        }
        if (number > append.prev_log_index &&
            append.entries[number - append.prev_log_index - 1].term != logged.term.value) {
            return number;
        }
    }
    return std::nullopt;
}

/// libraft 0.15 looks in its memory for the configuration that counts when an entry with a newer
/// one is taken out, where it may be no more, and after a start does not look at all. The log
/// knows.
Result<void> GroupIo::take_back_members(raft_index first) {
    if (truncate(first) != 0) {
        return fail(Errc::shard_failed, failure_);
    }
    MILLRACE_TRY(store_->sync());
    failure_ = "a change of its members was taken back";
    begins_anew_ = true;
    on_step_();
    return ok();
}

/// libraft 0.15 takes entries that are no longer in its memory for new ones, and refuses what
/// follows on them: it knows an entry before its memory only where the snapshot ends with it. They
/// are in the state, so the leader has the same.
void GroupIo::skip_what_is_applied(raft_append_entries& append) const {
    const auto& log = static_cast<const raft*>(io_.data)->log;
    const auto snapshot = log.snapshot.last_index;
    if (append.prev_log_index >= snapshot || append.prev_log_index > log.offset) {
        return;
    }
    const auto skipped = static_cast<unsigned>(
        std::min<raft_index>(snapshot - append.prev_log_index, append.n_entries));
    append.prev_log_index = snapshot;
    append.prev_log_term = log.snapshot.last_term;
    append.n_entries -= skipped;
    if (append.n_entries > 0) {
        std::copy_n(append.entries + skipped, append.n_entries, append.entries);
        return;
    }
    // What lies behind may be left from another leader.
    append.leader_commit = std::min(append.leader_commit, snapshot);
    if (skipped > 0) {
        raft_free(append.entries[0].batch);
        raft_free(std::exchange(append.entries, nullptr));
    }
}

bool GroupIo::has_entry(raft_index index, raft_term term) const {
    if (index <= applied_.index.value) {
        return true;
    }
    const auto found = std::ranges::lower_bound(logged_, index, {}, &Logged::raft_number);
    return found != logged_.end() && found->raft_number == index && found->term.value == term;
}

/// It is said again and again: once is enough in the log.
void GroupIo::note_behind(NodeId leader, raft_index last) {
    if (std::exchange(lacking_, last) != last) {
        log_info("group " + std::to_string(options_.group.value),
                 "node " + std::to_string(leader.value) + " no longer has what is up to entry " +
                     std::to_string(last) + "; this log ends at " +
                     std::to_string(next_index_.value - 1));
    }
}

/// The leader no longer has what it believes is missing here.
void GroupIo::answer_install(NodeId from, const raft_install_snapshot& install) {
    const auto* const instance = static_cast<const raft*>(io_.data);
    if (install.term != instance->current_term || instance->state != RAFT_FOLLOWER) {
        return;  // heartbeats settle terms
    }
    if (!has_entry(install.last_index, install.last_term)) {
        note_behind(from, install.last_index);
        options_.on_behind(from);
        return;
    }
    raft_message answer{};
    answer.type = RAFT_IO_APPEND_ENTRIES_RESULT;
    answer.server_id = from.value;
    answer.append_entries_result = {
        .term = instance->current_term, .rejected = 0, .last_log_index = install.last_index};
    (void)send_whole(answer);
}

int GroupIo::snapshot_get(raft_io_snapshot_get* request, raft_io_snapshot_get_cb done) {
    gets_.push_back({.request = request, .done = done});
    if (gets_.size() > 1) {
        return 0;
    }
    runtime_.post([this, alive = is_alive_] {
        if (*alive) {
            end_gets(0);
        }
    });
    return 0;
}

/// Says where the snapshot is; what is in it is copied from shard to shard.
void GroupIo::end_gets(int status) {
    for (const auto& get : std::exchange(gets_, {})) {
        if (status != 0) {
            get.done(get.request, nullptr, status);
            continue;
        }
        const auto& log = static_cast<const raft*>(io_.data)->log;
        auto* const made = static_cast<raft_snapshot*>(raft_calloc(1, sizeof(raft_snapshot)));
        MILLRACE_ASSERT(made != nullptr);
        made->index = log.snapshot.last_index;
        made->term = log.snapshot.last_term;
        raft_configuration_init(&made->configuration);
        made->bufs = static_cast<raft_buffer*>(raft_calloc(1, sizeof(raft_buffer)));
        made->bufs[0] = {.base = raft_copy({}), .len = 1};
        made->n_bufs = 1;
        get.done(get.request, made, 0);
    }
}

void GroupIo::install_peer_callbacks() {
    io_.send = [](raft_io* io,
                  raft_io_send* request,
                  const raft_message* message,
                  raft_io_send_cb done) noexcept { return self(io).send(request, *message, done); };
    io_.snapshot_get =
        [](raft_io* io, raft_io_snapshot_get* request, raft_io_snapshot_get_cb done) noexcept {
            return self(io).snapshot_get(request, done);
        };
}

}  // namespace millrace::broker::consensus
