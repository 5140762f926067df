#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include <nlohmann/json.hpp>

#include "broker/consensus/group_io.hpp"
#include "broker/consensus/raft_bytes.hpp"
#include "storage/base/assert.hpp"
#include "storage/base/bytes.hpp"

// What a group keeps of itself, and how it comes back: hard state, configuration, entries that are
// not in the state yet.
namespace millrace::broker::consensus {
namespace {

std::string state_key(GroupId group) {
    return "g/" + std::to_string(group.value);
}

/// [[first index, term], ...]
nlohmann::json write_terms(const std::vector<TermStarts::Start>& terms) {
    auto json = nlohmann::json::array();
    for (const auto& [first, term] : terms) {
        json.push_back({first.value, term.value});
    }
    return json;
}

/// None of a state that an earlier version wrote.
std::vector<TermStarts::Start> read_terms(const nlohmann::json& state) {
    std::vector<TermStarts::Start> terms;
    for (const auto& [first, term] :
         state.value("terms", std::vector<std::pair<std::uint64_t, std::uint64_t>>{})) {
        terms.push_back({.first = RaftIndex{first}, .term = RaftTerm{term}});
    }
    return terms;
}

}  // namespace

void GroupIo::note_configuration(RaftIndex index, std::span<const std::byte> payload) {
    while (configurations_.size() > 1 && configurations_[1].index <= applied_.index) {
        configurations_.pop_front();
    }
    configurations_.push_back(
        {.index = index, .bytes = {reinterpret_cast<const char*>(payload.data()), payload.size()}});
    ++members_version_;
}

/// Entries behind what is applied may be taken out again, and with them what they say.
GroupIo::Configuration GroupIo::applied_configuration() const {
    Configuration newest;
    for (const auto& configuration : configurations_) {
        if (configuration.index <= applied_.index) {
            newest = configuration;
        }
    }
    return newest;
}

std::vector<Member> GroupIo::members() const {
    raft_configuration configuration{};
    raft_configuration_init(&configuration);
    std::vector<Member> members;
    if (!configurations_.empty() &&
        decode_configuration(configurations_.back().bytes, configuration)) {
        members = to_members(configuration);
    }
    raft_configuration_close(&configuration);
    return members;
}

void GroupIo::recover_frame(const storage::FrameView& frame,
                            storage::FramePlace place,
                            bool in_state) {
    if (frame.kind == storage::FrameKind::entry) {
        terms_.note(frame.index, frame.term);
    } else if (frame.kind == storage::FrameKind::truncate) {
        terms_.cut(frame.index);
    }
    if (in_state && (!is_replicated() || frame.kind == storage::FrameKind::hard_state)) {
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
                              .in_state = in_state,
                              .payload = {kept.begin(), kept.end()}});
        forget_earliest();
    }
}

/// What the state holds already is of use only for others that lack it.
void GroupIo::forget_earliest() {
    if (recovered_.size() > 2 * entries_in_state_max &&
        recovered_[recovered_.size() - entries_in_state_max].in_state) {
        recovered_.erase(recovered_.begin(), recovered_.end() - entries_in_state_max);
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
        const auto bytes = json.value("configuration", std::vector<std::uint8_t>{});
        if (!bytes.empty()) {
            note_configuration(RaftIndex{json.value("configuration_index", std::uint64_t{0})},
                               std::as_bytes(std::span(bytes)));
        }
        terms_.put_before(read_terms(json), applied_.index);
        // Hard state frames behind the checkpoint are younger.
        if (term_ < json.value("term", std::uint64_t{0})) {
            term_ = json.value("term", std::uint64_t{0});
            vote_ = json.value("vote", std::uint64_t{0});
        }
    }
    // The state may be ahead of the place of its checkpoint: a majority takes entries one by one,
    // while the log counts in commits.
    const auto is_applied = [this](const Recovered& entry) {
        return entry.logged.index <= applied_.index;
    };
    std::ranges::copy_if(recovered_, std::back_inserter(settled_), is_applied);
    std::erase_if(recovered_, is_applied);
    for (const auto& entry : recovered_) {
        if (entry.logged.raft_type == RAFT_CHANGE) {
            note_configuration(entry.logged.index, entry.payload);
        }
    }
    next_index_ = applied_.index + 1;
    next_number_ = next_index_.value;
    return ok();
}

Result<void> GroupIo::visit_settled(
    const std::function<void(storage::FramePlace, std::span<const std::byte>)>& visit) {
    for (const auto& entry : settled_) {
        if (!entry.in_state && entry.entry_type == storage::entry_type_records) {
            MILLRACE_TRY(const auto payload, payload_of(entry.logged));
            visit(entry.logged.place, payload);
        }
    }
    keep_settled();
    return ok();
}

/// Those behind the last hole go to libraft in front of the others, for replicas that lack them.
void GroupIo::keep_settled() {
    auto settled = std::exchange(settled_, {});
    auto next = applied_.index;
    auto first = settled.end();
    while (is_replicated() && first != settled.begin() && (first - 1)->logged.index == next) {
        --first;
        next = next - 1;
    }
    settled_.assign(std::make_move_iterator(first), std::make_move_iterator(settled.end()));
}

bool GroupIo::is_whole() const {
    auto next = applied_.index;
    return std::ranges::all_of(recovered_, [&next](const Recovered& entry) {
        next = next + 1;
        return entry.logged.index == next;
    });
}

bool GroupIo::is_pristine() const {
    return term_ == 0 && applied_.index.value == 0 && recovered_.empty();
}

RaftIndex GroupIo::last_recovered() const {
    return recovered_.empty() ? next_index_ - 1 : recovered_.back().logged.index;
}

bool GroupIo::is_new() const {
    return term_ <= 1 && last_recovered() <= RaftIndex{1};
}

void GroupIo::write_state(storage::StateWriter& state) const {
    const auto configuration = applied_configuration();
    const nlohmann::json json{
        {"term", term_},
        {"vote", vote_},
        {"applied_index", applied_.index.value},
        {"applied_term", applied_.term.value},
        {"terms", write_terms(terms_.upto(applied_.index))},
        {"configuration_index", configuration.index.value},
        {"configuration",
         std::vector<std::uint8_t>(configuration.bytes.begin(), configuration.bytes.end())}};
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
    const auto configuration = applied_configuration();
    made->configuration_index = configuration.index.value;
    raft_configuration_init(&made->configuration);
    if (!decode_configuration(configuration.bytes, made->configuration)) {
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
    // Of no batch: when it lets go of an entry of one, libraft looks through its whole log for
    // others.
    entry.batch = nullptr;
}

void GroupIo::note_unloaded(Logged logged, raft_index number) {
    if (is_replicated() && logged.payload_bytes > 0) {
        logged.raft_number = number;
        unloaded_.push_back(logged);
    }
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
    *first = next_number_ - settled_.size();
    *entries = nullptr;
    *count = settled_.size() + recovered_.size();
    if (const int code = load_snapshot(snapshot); code != 0) {
        return code;
    }
    if (*count > 0) {
        *entries = static_cast<raft_entry*>(raft_calloc(*count, sizeof(raft_entry)));
        MILLRACE_ASSERT(*entries != nullptr);
    }
    auto* entry = *entries;
    for (auto number = *first; const auto& from : std::exchange(settled_, {})) {
        load_entry(from, *entry++);
        note_unloaded(from.logged, number++);
    }
    for (const auto& from : recovered_) {
        load_entry(from, *entry++);
        note_unloaded(from.logged, next_number_);
        logged_.push_back(from.logged);
        logged_.back().raft_number = next_number_++;
        next_index_ = from.logged.index + 1;
    }
    recovered_ = {};
    return 0;
}

/// In the current term, as the last entry.
Result<void> GroupIo::log_configuration(const raft_configuration& configuration, RaftIndex index) {
    raft_buffer encoded{};
    if (raft_configuration_encode(&configuration, &encoded) != 0) {
        return fail(Errc::internal, "a configuration can't be encoded");
    }
    const auto bytes = bytes_of(encoded);
    const std::vector<std::byte> payload(bytes.begin(), bytes.end());
    raft_free(encoded.base);
    MILLRACE_TRY(const auto place,
                 store_->append({.kind = storage::FrameKind::entry,
                                 .flags = RAFT_CHANGE,
                                 .group = options_.group,
                                 .index = index,
                                 .term = RaftTerm{term_},
                                 .payload = payload}));
    recovered_.push_back({.logged = {.index = index,
                                     .term = RaftTerm{term_},
                                     .raft_type = RAFT_CHANGE,
                                     .place = place,
                                     .payload_bytes = 0},
                          .entry_type = 0,
                          .batch_count = 0,
                          .payload = payload});
    terms_.note(index, RaftTerm{term_});
    note_configuration(index, payload);
    return ok();
}

int GroupIo::bootstrap(const raft_configuration& configuration) {
    term_ = 1;
    if (const auto logged = log_configuration(configuration, RaftIndex{1}); !logged) {
        return failed(logged.error());
    }
    return store_hard_state();
}

/// In a term of its own: nobody else can have an entry of that.
Result<void> GroupIo::go_on_alone() {
    const auto known = members();
    if (known.empty() || (known.size() == 1 && known.front().node == options_.self)) {
        return ok();
    }
    ++term_;
    vote_ = 0;
    raft_configuration configuration{};
    raft_configuration_init(&configuration);
    const int added = raft_configuration_add(
        &configuration, options_.self.value, options_.address.c_str(), RAFT_VOTER);
    auto logged = added == 0 ? log_configuration(configuration, last_recovered() + 1)
                             : Result<void>(fail(Errc::internal, raft_strerror(added)));
    raft_configuration_close(&configuration);
    MILLRACE_TRY(logged);
    return store_hard_state() == 0 ? Result<void>(ok())
                                   : Result<void>(fail(Errc::shard_failed, failure_));
}

}  // namespace millrace::broker::consensus
