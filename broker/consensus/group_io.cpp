#include "broker/consensus/group_io.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "broker/consensus/raft_bytes.hpp"
#include "storage/base/assert.hpp"
#include "storage/base/bytes.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::consensus {
namespace {

constexpr double average_weight = 0.05;

}  // namespace

GroupIo::GroupIo(const GroupOptions& options,
                 Runtime& runtime,
                 storage::ShardStore* const& store,
                 std::function<void()> on_step)
    : options_(options),
      runtime_(runtime),
      store_(store),
      on_step_(std::move(on_step)),
      random_(options.random_seed + options.group.value),
      catch_up_(
          options_, runtime, store, terms_, io_, [this](NodeId to, const raft_message& message) {
              return send_now(to, message);
          }) {
    io_.version = 1;
    io_.impl = this;
    install_callbacks();
}

GroupIo::~GroupIo() {
    *is_alive_ = false;
    runtime_.cancel(timer_);
}

int GroupIo::failed(const Error& error) {
    failure_ = error.text;
    return error.code == Errc::out_of_space ? RAFT_NOSPACE : RAFT_IOERR;
}

int GroupIo::store_hard_state() {
    std::array<std::byte, hard_state_bytes> payload{};
    store_le(std::span<std::byte>(payload), term_);
    store_le(std::span<std::byte>(payload).subspan(8), vote_);
    const auto placed = store_->append(
        {.kind = storage::FrameKind::hard_state, .group = options_.group, .payload = payload});
    const auto synced = placed ? store_->sync() : Result<void>(placed.error());
    if (synced) {
        return 0;
    }
    auto* const instance = static_cast<raft*>(io_.data);
    if (instance != nullptr && instance->state == RAFT_CANDIDATE) {
        // libraft 0.15 becomes a follower then, and takes these for the address of its leader.
        instance->candidate_state.disrupt_leader = false;
        instance->candidate_state.in_pre_vote = false;
    }
    return failed(synced.error());
}

int GroupIo::append_entry(const raft_entry& entry) {
    const auto buffer = bytes_of(entry.buf);
    EntryBuffer::Prefix prefix;
    auto payload = buffer;
    if (entry.type == RAFT_COMMAND) {
        std::memcpy(&prefix, buffer.data(), sizeof(prefix));
        payload = buffer.subspan(sizeof(prefix));
    } else if (entry.type == RAFT_CHANGE) {
        note_configuration(next_index_, payload);
    }
    const auto placed = store_->append({.kind = storage::FrameKind::entry,
                                        .flags = static_cast<std::uint8_t>(entry.type),
                                        .entry_type = prefix.type,
                                        .group = options_.group,
                                        .batch_count = prefix.batch_count,
                                        .index = next_index_,
                                        .term = RaftTerm{entry.term},
                                        .payload = payload});
    if (!placed) {
        return failed(placed.error());
    }
    entry_bytes_average_ +=
        average_weight * (static_cast<double>(buffer.size()) - entry_bytes_average_);
    logged_.push_back({.index = next_index_,
                       .raft_number = next_number_,
                       .term = RaftTerm{entry.term},
                       .raft_type = entry.type,
                       .place = placed.value(),
                       .payload_bytes = 0});
    terms_.note(next_index_, RaftTerm{entry.term});
    ++next_index_;
    ++next_number_;
    return 0;
}

int GroupIo::append(raft_io_append* request,
                    std::span<const raft_entry> entries,
                    raft_io_append_cb done) {
    std::size_t bytes = 0;
    for (const auto& entry : entries) {
        if (const int code = append_entry(entry); code != 0) {
            return code;
        }
        bytes += entry.buf.len;
    }
    pending_bytes_ += bytes;
    pending_.push_back({.request = request,
                        .done = done,
                        .commit = logged_.back().place.commit,
                        .bytes = bytes,
                        .term = entries.back().term,
                        .number = logged_.back().raft_number});
    compared_.upto = std::max(compared_.upto, compared_.asked_upto);
    return 0;
}

int GroupIo::truncate(raft_index number) {
    while (!logged_.empty() && logged_.back().raft_number >= number) {
        const auto& last = logged_.back();
        next_index_ = last.index;
        // A rebuild of the index took it in before anybody knew whether it counts.
        const auto taken = last.payload_bytes > 0
                               ? store_->take_back_batches(last.place, last.payload_bytes)
                               : Result<void>(ok());
        if (!taken) {
            return failed(taken.error());
        }
        logged_.pop_back();
    }
    while (!unloaded_.empty() && unloaded_.back().raft_number >= number) {
        unloaded_.pop_back();
    }
    while (!configurations_.empty() && configurations_.back().index >= next_index_) {
        configurations_.pop_back();
        ++members_version_;
    }
    next_number_ = number;
    terms_.cut(next_index_);
    const auto placed = store_->append(
        {.kind = storage::FrameKind::truncate, .group = options_.group, .index = next_index_});
    return placed ? 0 : failed(placed.error());
}

int GroupIo::snapshot_put(raft_io_snapshot_put* request, raft_io_snapshot_put_cb done) {
    // The store's checkpoint and the frames behind it hold everything; nothing more has to be
    // written.
    runtime_.post([request, done, alive = is_alive_] {
        if (*alive) {
            done(request, 0);
        }
    });
    return 0;
}

void GroupIo::schedule_tick() {
    timer_ = runtime_.run_after(options_.tick, [this] {
        // A replica that waits for its disk takes no part in elections: libraft 0.15 must not
        // become a candidate meanwhile. A leader always waits for something, and has to notice when
        // nobody hears it any more.
        if ((pending_.empty() || is_leader()) && failure_.empty() && tick_ != nullptr) {
            tick_(&io_);
            catch_up_.tick();
            on_step_();
        }
        schedule_tick();
    });
}

void GroupIo::on_durable(CommitSequence commit) {
    while (!pending_.empty() && pending_.front().commit <= commit) {
        const auto append = pending_.front();
        pending_.pop_front();
        pending_bytes_ -= append.bytes;
        stored_term_ = append.term;
        stored_number_ = append.number;
        append.done(append.request, 0);
    }
}

void GroupIo::on_failed() {
    // The requests stay unanswered until the close: a callback with an error would let libraft go
    // on with a log that the disk does not have.
    failure_ = failure_.empty() ? "the disk failed" : failure_;
}

GroupIo::Logged GroupIo::take_next_command() {
    while (!logged_.empty() && logged_.front().raft_type != RAFT_COMMAND) {
        logged_.pop_front();
    }
    MILLRACE_ASSERT(!logged_.empty());
    const auto next = logged_.front();
    logged_.pop_front();
    applied_.index = next.index;
    applied_.term = next.term;
    return next;
}

void GroupIo::forget_applied(raft_index number) {
    while (!logged_.empty() && logged_.front().raft_number <= number) {
        applied_.index = logged_.front().index;
        applied_.term = logged_.front().term;
        logged_.pop_front();
    }
}

std::optional<CommitSequence> GroupIo::first_unapplied() const {
    if (!logged_.empty()) {
        return logged_.front().place.commit;
    }
    // Of a group that has not started: its entries are only in the log.
    return recovered_.empty() ? std::nullopt
                              : std::optional(recovered_.front().logged.place.commit);
}

/// Of an election timeout. Those who wait are spread by their rank, all groups of a node alike, so
/// that the next leader of all is mostly one node, and at once; rivals draw. Not far apart: who
/// still hopes for its leader gives no vote.
int GroupIo::pick_below(int range) {
    const auto* const instance = static_cast<const raft*>(io_.data);
    const std::span servers(instance->configuration.servers, instance->configuration.n);
    const auto is_voter = [](const raft_server& server) { return server.role == RAFT_VOTER; };
    const auto count = std::ranges::count_if(servers, is_voter);
    if (count < 2 || instance->state != RAFT_FOLLOWER) {
        return static_cast<int>(random_.below(static_cast<std::uint64_t>(range)));
    }
    const auto own = std::ranges::find(servers, options_.self.value, &raft_server::id);
    const auto rank = std::count_if(servers.begin(), own, is_voter);
    return static_cast<int>(range * rank / (2 * count));
}

bool GroupIo::is_leader() const {
    const auto* const instance = static_cast<const raft*>(io_.data);
    return instance != nullptr && instance->state == RAFT_LEADER;
}

void GroupIo::install_callbacks() {
    io_.init = [](raft_io*, raft_id, const char*) noexcept { return 0; };
    io_.close = [](raft_io* io, raft_io_close_cb done) noexcept {
        auto& owner = self(io);
        owner.tick_ = nullptr;
        owner.receive_ = nullptr;
        owner.catch_up_.stop();
        owner.runtime_.cancel(owner.timer_);
        owner.end_sends(RAFT_CANCELED);
        owner.end_gets(RAFT_CANCELED);
        // libraft has stepped down and only frees what belongs to them, the youngest first: each
        // cuts its log at its own entries.
        for (; !owner.pending_.empty(); owner.pending_.pop_back()) {
            owner.pending_.back().done(owner.pending_.back().request, RAFT_CANCELED);
        }
        done(io);
    };
    io_.load = [](raft_io* io,
                  raft_term* term,
                  raft_id* vote,
                  raft_snapshot** snapshot,
                  raft_index* first,
                  raft_entry** entries,
                  size_t* count) noexcept {
        return self(io).load(term, vote, snapshot, first, entries, count);
    };
    io_.start = [](raft_io* io, unsigned, raft_io_tick_cb tick, raft_io_recv_cb recv) noexcept {
        self(io).tick_ = tick;
        self(io).receive_ = recv;
        self(io).schedule_tick();
        return 0;
    };
    install_disk_callbacks();
    install_peer_callbacks();
}

void GroupIo::install_disk_callbacks() {
    io_.bootstrap = [](raft_io* io, const raft_configuration* configuration) noexcept {
        return self(io).bootstrap(*configuration);
    };
    io_.recover = [](raft_io*, const raft_configuration*) noexcept -> int { return RAFT_INVALID; };
    io_.set_term = [](raft_io* io, raft_term term) noexcept {
        self(io).term_ = term;
        self(io).vote_ = 0;
        return self(io).store_hard_state();
    };
    io_.set_vote = [](raft_io* io, raft_id server) noexcept {
        self(io).vote_ = server;
        return self(io).store_hard_state();
    };
    io_.append = [](raft_io* io,
                    raft_io_append* request,
                    const raft_entry entries[],
                    unsigned count,
                    raft_io_append_cb done) noexcept {
        return self(io).append(request, std::span(entries, count), done);
    };
    io_.truncate = [](raft_io* io, raft_index index) noexcept { return self(io).truncate(index); };
    io_.snapshot_put = [](raft_io* io,
                          unsigned,
                          raft_io_snapshot_put* request,
                          const raft_snapshot*,
                          raft_io_snapshot_put_cb done) noexcept {
        return self(io).snapshot_put(request, done);
    };
    io_.time = [](raft_io* io) noexcept {
        return static_cast<raft_time>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          self(io).runtime_.clock().steady_now().time_since_epoch())
                                          .count());
    };
    io_.random = [](raft_io* io, int min, int max) noexcept {
        return min + self(io).pick_below(max - min);
    };
}

}  // namespace millrace::broker::consensus
