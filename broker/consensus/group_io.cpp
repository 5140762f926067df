#include "broker/consensus/group_io.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include <nlohmann/json.hpp>

#include "broker/consensus/raft_bytes.hpp"
#include "storage/base/assert.hpp"
#include "storage/base/endian.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::consensus {
namespace {

constexpr std::size_t hard_state_bytes = 16;
constexpr double average_weight = 0.05;

std::string state_key(GroupId group) {
    return "g/" + std::to_string(group.value);
}

}  // namespace

GroupIo::GroupIo(const GroupOptions& options, Runtime& runtime, storage::ShardStore* const& store)
    : options_(options),
      runtime_(runtime),
      store_(store),
      random_(options.random_seed + options.group.value) {
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

void GroupIo::note_configuration(RaftIndex index, std::span<const std::byte> payload) {
    configuration_index_ = index;
    configuration_.assign(reinterpret_cast<const char*>(payload.data()), payload.size());
}

void GroupIo::recover_frame(const storage::FrameView& frame,
                            storage::FramePlace place,
                            bool in_state) {
    if (in_state) {
        return;
    }
    if (frame.kind == storage::FrameKind::hard_state && frame.payload.size() == hard_state_bytes) {
        term_ = load_le<std::uint64_t>(frame.payload);
        vote_ = load_le<std::uint64_t>(frame.payload.subspan(8));
    } else if (frame.kind == storage::FrameKind::truncate) {
        std::erase_if(recovered_,
                      [&](const Recovered& entry) { return entry.logged.index >= frame.index; });
    } else if (frame.kind == storage::FrameKind::entry) {
        // A rebuild goes through the whole log: what is in it would not fit into memory.
        const bool is_command = frame.flags == RAFT_COMMAND;
        const auto kept = is_command ? std::span<const std::byte>() : frame.payload;
        recovered_.push_back({.logged = {.index = frame.index,
                                         .term = frame.term,
                                         .raft_type = frame.flags,
                                         .place = place,
                                         .payload_bytes = is_command ? frame.payload.size() : 0},
                              .entry_type = frame.entry_type,
                              .batch_count = frame.batch_count,
                              .payload = {kept.begin(), kept.end()}});
    }
}

Result<void> GroupIo::load_state() {
    MILLRACE_TRY(const auto value, store_->get_state(state_key(options_.group)));
    if (value) {
        const auto json = nlohmann::json::parse(*value, nullptr, false);
        if (!json.is_object()) {
            return fail(
                Errc::corrupt,
                "state of group " + std::to_string(options_.group.value) + " does not parse");
        }
        applied_.index = RaftIndex{json.value("applied_index", std::uint64_t{0})};
        applied_.term = RaftTerm{json.value("applied_term", std::uint64_t{0})};
        applied_.configuration_index =
            RaftIndex{json.value("configuration_index", std::uint64_t{0})};
        const auto bytes = json.value("configuration", std::vector<std::uint8_t>{});
        applied_.configuration.assign(bytes.begin(), bytes.end());
        // Hard state frames behind the checkpoint are younger.
        if (term_ < json.value("term", std::uint64_t{0})) {
            term_ = json.value("term", std::uint64_t{0});
            vote_ = json.value("vote", std::uint64_t{0});
        }
    }
    configuration_index_ = applied_.configuration_index;
    configuration_ = applied_.configuration;
    std::erase_if(recovered_,
                  [this](const Recovered& entry) { return entry.logged.index <= applied_.index; });
    next_index_ = applied_.index + 1;
    next_number_ = next_index_.value;
    return ok();
}

bool GroupIo::is_pristine() const {
    return term_ == 0 && applied_.index.value == 0 && recovered_.empty();
}

void GroupIo::write_state(storage::StateWriter& state) const {
    const nlohmann::json json{
        {"term", term_},
        {"vote", vote_},
        {"applied_index", applied_.index.value},
        {"applied_term", applied_.term.value},
        {"configuration_index", configuration_index_.value},
        {"configuration", std::vector<std::uint8_t>(configuration_.begin(), configuration_.end())}};
    state.put(state_key(options_.group), json.dump());
}

int GroupIo::load_snapshot(raft_snapshot** snapshot) const {
    *snapshot = nullptr;
    if (applied_.index.value == 0) {
        return 0;
    }
    auto* const made = static_cast<raft_snapshot*>(raft_calloc(1, sizeof(raft_snapshot)));
    made->index = applied_.index.value;
    made->term = applied_.term.value;
    made->configuration_index = applied_.configuration_index.value;
    raft_configuration_init(&made->configuration);
    if (!decode_configuration(applied_.configuration, made->configuration)) {
        raft_free(made);
        return RAFT_CORRUPT;
    }
    made->bufs = static_cast<raft_buffer*>(raft_malloc(sizeof(raft_buffer)));
    made->bufs[0] = {.base = raft_copy({}), .len = 1};
    made->n_bufs = 1;
    *snapshot = made;
    return 0;
}

void GroupIo::load_entry(const Recovered& from, raft_entry& entry) {
    entry.term = from.logged.term.value;
    entry.type = from.logged.raft_type;
    if (from.logged.raft_type == RAFT_COMMAND) {
        const EntryBuffer::Prefix prefix{.type = from.entry_type, .batch_count = from.batch_count};
        entry.buf.len = sizeof(prefix);
        entry.buf.base = raft_copy(std::as_bytes(std::span(&prefix, 1)));
    } else {
        // Barriers and configurations are libraft's own bytes, without a prefix.
        entry.buf.len = from.payload.size();
        entry.buf.base = raft_copy(from.payload);
    }
    // libraft frees what `batch` points to; each entry is its own batch.
    entry.batch = entry.buf.base;
}

// NOLINTNEXTLINE(readability-function-size): the shape that libraft asks for
int GroupIo::load(raft_term* term,
                  raft_id* vote,
                  raft_snapshot** snapshot,
                  raft_index* first,
                  raft_entry** entries,
                  size_t* count) {
    *term = term_;
    *vote = vote_;
    *first = next_number_;
    *entries = nullptr;
    *count = recovered_.size();
    if (const int code = load_snapshot(snapshot); code != 0) {
        return code;
    }
    if (!recovered_.empty()) {
        *entries = static_cast<raft_entry*>(raft_calloc(recovered_.size(), sizeof(raft_entry)));
        MILLRACE_ASSERT(*entries != nullptr);
    }
    for (std::size_t i = 0; i < recovered_.size(); ++i) {
        const auto& from = recovered_[i];
        load_entry(from, (*entries)[i]);
        if (from.logged.raft_type == RAFT_CHANGE) {
            note_configuration(from.logged.index, from.payload);
        }
        logged_.push_back(from.logged);
        logged_.back().raft_number = next_number_++;
        next_index_ = from.logged.index + 1;
    }
    recovered_ = {};
    return 0;
}

int GroupIo::store_hard_state() {
    std::array<std::byte, hard_state_bytes> payload{};
    store_le(std::span<std::byte>(payload), term_);
    store_le(std::span<std::byte>(payload).subspan(8), vote_);
    const auto placed = store_->append(
        {.kind = storage::FrameKind::hard_state, .group = options_.group, .payload = payload});
    if (!placed) {
        return failed(placed.error());
    }
    if (const auto synced = store_->sync(); !synced) {
        return failed(synced.error());
    }
    return 0;
}

int GroupIo::bootstrap(const raft_configuration& configuration) {
    raft_buffer encoded{};
    if (const int code = raft_configuration_encode(&configuration, &encoded); code != 0) {
        return code;
    }
    recovered_.push_back({.logged = {.index = RaftIndex{1},
                                     .term = RaftTerm{1},
                                     .raft_type = RAFT_CHANGE,
                                     .place = {},
                                     .payload_bytes = 0},
                          .entry_type = 0,
                          .batch_count = 0,
                          .payload = {}});
    const auto payload = bytes_of(encoded);
    auto& entry = recovered_.back();
    entry.payload.assign(payload.begin(), payload.end());
    const auto placed = store_->append({.kind = storage::FrameKind::entry,
                                        .flags = RAFT_CHANGE,
                                        .group = options_.group,
                                        .index = RaftIndex{1},
                                        .term = RaftTerm{1},
                                        .payload = payload});
    raft_free(encoded.base);
    if (!placed) {
        return failed(placed.error());
    }
    entry.logged.place = placed.value();
    term_ = 1;
    return store_hard_state();
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
    ++next_index_;
    ++next_number_;
    return 0;
}

int GroupIo::append(raft_io_append* request,
                    std::span<const raft_entry> entries,
                    raft_io_append_cb done) {
    for (const auto& entry : entries) {
        if (const int code = append_entry(entry); code != 0) {
            return code;
        }
    }
    pending_.push_back({.request = request, .done = done, .commit = logged_.back().place.commit});
    return 0;
}

int GroupIo::truncate(raft_index number) {
    while (!logged_.empty() && logged_.back().raft_number >= number) {
        next_index_ = logged_.back().index;
        logged_.pop_back();
    }
    next_number_ = number;
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
        // A group that waits for its disk takes no part in elections: libraft 0.15 must not become
        // a candidate meanwhile.
        if (pending_.empty() && failure_.empty() && tick_ != nullptr) {
            tick_(&io_);
        }
        schedule_tick();
    });
}

void GroupIo::on_durable(CommitSequence commit) {
    while (!pending_.empty() && pending_.front().commit <= commit) {
        const auto append = pending_.front();
        pending_.pop_front();
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
    return logged_.empty() ? std::nullopt : std::optional(logged_.front().place.commit);
}

void GroupIo::install_callbacks() {
    io_.init = [](raft_io*, raft_id, const char*) noexcept { return 0; };
    io_.close = [](raft_io* io, raft_io_close_cb done) noexcept {
        auto& owner = self(io);
        owner.tick_ = nullptr;
        owner.runtime_.cancel(owner.timer_);
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
    io_.start = [](raft_io* io, unsigned, raft_io_tick_cb tick, raft_io_recv_cb) noexcept {
        self(io).tick_ = tick;
        self(io).schedule_tick();
        return 0;
    };
    install_disk_callbacks();
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
    io_.send = [](raft_io*, raft_io_send*, const raft_message*, raft_io_send_cb) noexcept -> int {
        return RAFT_NOCONNECTION;
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
    io_.snapshot_get = [](raft_io*,
                          raft_io_snapshot_get*,
                          raft_io_snapshot_get_cb) noexcept -> int { return RAFT_NOTFOUND; };
    io_.time = [](raft_io* io) noexcept {
        return static_cast<raft_time>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                          self(io).runtime_.clock().steady_now().time_since_epoch())
                                          .count());
    };
    io_.random = [](raft_io* io, int min, int max) noexcept {
        return min +
               static_cast<int>(self(io).random_.below(static_cast<std::uint64_t>(max - min)));
    };
}

}  // namespace millrace::broker::consensus
