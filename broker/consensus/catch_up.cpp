#include "broker/consensus/catch_up.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "broker/consensus/entry_buffer.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::consensus {
namespace {

/// Without an answer, until something is sent again.
constexpr std::chrono::seconds patience{1};
constexpr int tries_max = 10;
/// After a failure, until the log is asked again.
constexpr std::chrono::seconds refusal{30};
/// Of the log, 2 MiB each: a group of few entries is copied rather than looked for in all of it.
constexpr int bare_reads_max = 256;

/// Entries as libraft has them: commands behind what else the frame's header says.
class ListedEntries {
  public:
    explicit ListedEntries(std::span<const storage::FrameView* const> entries) {
        std::size_t bytes = 0;
        for (const auto* entry : entries) {
            bytes += sizeof(Prefix) + entry->payload.size();
        }
        contents_.reserve(bytes);
        for (const auto* entry : entries) {
            add(*entry);
        }
    }
    [[nodiscard]] std::size_t size_bytes() const { return contents_.size(); }
    /// Points into this.
    [[nodiscard]] std::span<raft_entry> table() { return table_; }

  private:
    using Prefix = EntryBuffer::Prefix;

    void add(const storage::FrameView& entry) {
        auto* const begin = contents_.data() + contents_.size();
        if (entry.flags == RAFT_COMMAND) {
            const Prefix prefix{.type = entry.entry_type, .batch_count = entry.batch_count};
            const auto front = std::as_bytes(std::span(&prefix, 1));
            contents_.insert(contents_.end(), front.begin(), front.end());
        }
        contents_.insert(contents_.end(), entry.payload.begin(), entry.payload.end());
        const auto length = static_cast<std::size_t>(contents_.data() + contents_.size() - begin);
        table_.push_back({.term = entry.term.value,
                          .type = entry.flags,
                          .buf = {.base = begin, .len = length},
                          .batch = nullptr});
    }

    std::vector<std::byte> contents_;  ///< never grows beyond what it was made for
    std::vector<raft_entry> table_;
};

}  // namespace

CatchUp::CatchUp(const GroupOptions& options,
                 Runtime& runtime,
                 storage::ShardStore* const& store,
                 const TermStarts& terms,
                 const raft_io& io,
                 Send send)
    : options_(options),
      runtime_(runtime),
      store_(store),
      terms_(terms),
      io_(io),
      send_(std::move(send)) {}

void CatchUp::stop() {
    *is_alive_ = false;
    feeds_.clear();
}

void CatchUp::tell(const std::string& text) const {
    log_info("group " + std::to_string(options_.group.value), text);
}

bool CatchUp::leads_in(raft_term term) const {
    return instance().state == RAFT_LEADER && instance().current_term == term;
}

CatchUp::Feed* CatchUp::find(NodeId to) {
    const auto found = feeds_.find(to);
    return found != feeds_.end() && leads_in(found->second.term) ? &found->second : nullptr;
}

template <class Work>
auto CatchUp::if_still(NodeId to, const Feed& feed, Work work) {
    return [this, to, number = feed.number, alive = is_alive_, work](const auto&... came) {
        auto* const found = *alive ? find(to) : nullptr;
        if (found != nullptr && found->number == number) {
            work(*found, came...);
        }
    };
}

raft_message CatchUp::append_behind(NodeId to,
                                    const Feed& feed,
                                    raft_index before,
                                    std::span<raft_entry> entries) const {
    const auto term = terms_.at(RaftIndex{before});
    raft_message message{};
    message.type = RAFT_IO_APPEND_ENTRIES;
    message.server_id = to.value;
    message.append_entries = {
        .term = feed.term,
        .prev_log_index = before,
        .prev_log_term = term ? term->value : 0,
        .leader_commit = std::min<raft_index>(before + entries.size(), instance().commit_index),
        .entries = entries.data(),
        .n_entries = static_cast<unsigned>(entries.size())};
    return message;
}

bool CatchUp::begin(NodeId to) {
    if (find(to) != nullptr) {
        return true;
    }
    const auto refused = refused_until_.find(to);
    const bool is_refused = refused != refused_until_.end() && now() < refused->second;
    if (is_refused || !terms_.at(RaftIndex{target()})) {
        return false;
    }
    auto& feed = feeds_[to] = {};
    feed.number = ++last_number_;
    feed.term = instance().current_term;
    feed.asked = target();
    feed.began_at = now();
    ask(to, feed);
    return true;
}

/// An empty append is refused where the entry before it is missing or another one.
void CatchUp::ask(NodeId to, Feed& feed) {
    feed.moved_at = now();
    (void)send_(to, append_behind(to, feed, feed.asked, {}));
}

/// `last` is where the other log ends. What it has there may be left from a leader that nobody
/// followed, mostly not much.
void CatchUp::ask_earlier(NodeId to, Feed& feed, raft_index last) {
    const auto step = std::min(feed.back, feed.asked);
    const auto next = std::min(last, feed.asked - step);
    feed.back = next == last ? 1 : 2 * feed.back;
    if (next > 0 && !terms_.at(RaftIndex{next})) {
        give_up(to,
                "nobody knows here what entry " + std::to_string(next) +
                    " was, where the log there ends");
        return;
    }
    feed.asked = next;
    feed.tries = 0;
    ask(to, feed);
}

bool CatchUp::hear(NodeId from, const raft_append_entries_result& result) {
    auto* const feed = find(from);
    if (feed == nullptr || result.term != feed->term) {
        return false;
    }
    if (result.rejected == 0) {
        note_match(from, *feed, result.last_log_index);
        return false;
    }
    // libraft would take it for a word about its snapshot.
    const bool is_answer = feed->step == Step::asking && result.rejected == feed->asked;
    if (is_answer) {
        ask_earlier(from, *feed, result.last_log_index);
    }
    return is_answer;
}

void CatchUp::note_match(NodeId to, Feed& feed, raft_index match) {
    if (match >= target()) {
        if (feed.bytes > 0) {
            const auto time =
                std::chrono::duration_cast<std::chrono::milliseconds>(now() - feed.began_at);
            tell("node " + std::to_string(to.value) + " has caught up with " +
                 std::to_string(feed.bytes >> 10U) + " KiB of entries from the log in " +
                 std::to_string(time.count()) + " ms");
        }
        feeds_.erase(to);
        return;
    }
    if (feed.step == Step::asking && match >= feed.asked) {
        feed.match = match;
        seek(to, feed);
    } else if (feed.step != Step::asking && match > feed.match) {
        feed.match = match;
        feed.tries = 0;
        feed.moved_at = now();
        while (!feed.pieces.empty() && feed.pieces.front().upto <= match) {
            feed.unanswered_bytes -= feed.pieces.front().bytes;
            feed.pieces.pop_front();
        }
        read_on(to, feed);
    }
}

void CatchUp::seek(NodeId to, Feed& feed) {
    feed.step = Step::seeking;
    const auto begin = [this, to](Feed& found, const Result<storage::ScanCursor>& place) {
        if (!place) {
            give_up(to, place.error().text);
            return;
        }
        found.step = Step::sending;
        found.cursor = place.value();
        found.sent = found.match;
        tell("node " + std::to_string(to.value) +
             " lacks what is no longer in memory; it gets entries from " +
             std::to_string(found.sent + 1) + " on from the log");
        read_on(to, found);
    };
    store_->seek_entry(options_.group, RaftIndex{feed.match + 1}, if_still(to, feed, begin));
}

void CatchUp::read_on(NodeId to, Feed& feed) {
    if (feed.step != Step::sending || feed.is_reading || feed.sent >= target() ||
        feed.unanswered_bytes >= unanswered_bytes_max || now() < feed.rests_until) {
        return;
    }
    feed.is_reading = true;
    const auto go_on = [this, to](Feed& found, const Result<storage::EntryScanResult>& read) {
        found.is_reading = false;
        if (read) {
            take(to, found, read.value());
        } else if (read.error().code == Errc::corrupt) {
            wait_for_another(to, read.error().text);
        } else {
            give_up(to, read.error().text);
        }
    };
    store_->scan_entries(options_.group, feed.cursor, if_still(to, feed, go_on));
}

void CatchUp::take(NodeId to, Feed& feed, const storage::EntryScanResult& read) {
    std::vector<const storage::FrameView*> taken;
    const auto last = target();
    bool has_more = false;
    for (const auto& entry : read.entries) {
        const auto next = feed.sent + taken.size() + 1;
        if (entry.index.value < next || terms_.at(entry.index) != entry.term) {
            continue;  // it is there, or was taken out of this log again
        }
        has_more = next > last;
        if (has_more) {
            break;
        }
        if (entry.index.value > next) {
            give_up(to, "entry " + std::to_string(next) + " is missing in the log");
            return;
        }
        taken.push_back(&entry);
    }
    // A commit counts once all of it is applied, which libraft may be ahead of.
    const bool waits = read.at_end && taken.empty();
    feed.bare_reads = waits || read.entries.empty() ? feed.bare_reads + 1 : 0;
    if (feed.bare_reads > bare_reads_max) {
        give_up(to, "entry " + std::to_string(feed.sent + 1) + " is not found in the log");
        return;
    }
    if (!taken.empty()) {
        send_entries(to, feed, taken);
    }
    if (!has_more) {
        feed.cursor = read.next;
    }
    if (!waits) {
        read_on(to, feed);
    }
}

void CatchUp::send_entries(NodeId to, Feed& feed, Entries entries) {
    ListedEntries listed(entries);
    const auto bytes = listed.size_bytes();
    const auto upto = feed.sent + entries.size();
    if (feed.pieces.empty()) {
        feed.moved_at = now();
    }
    if (send_(to, append_behind(to, feed, feed.sent, listed.table())) && options_.on_caught_up) {
        options_.on_caught_up(bytes);
    }
    feed.pieces.push_back({.upto = upto, .bytes = bytes, .from = feed.cursor});
    feed.unanswered_bytes += bytes;
    feed.sent = upto;
    feed.bytes += bytes;
    rest_after(to, feed, bytes);
}

void CatchUp::rest_after(NodeId to, Feed& feed, std::size_t bytes) {
    const auto pace = options_.catch_up_bytes_per_second;
    if (pace == 0) {
        return;
    }
    const Duration rest(static_cast<std::int64_t>(bytes * 1'000'000 / pace));
    feed.rests_until = std::max(feed.rests_until, now()) + rest;
    (void)runtime_.run_after(feed.rests_until - now(),
                             if_still(to, feed, [this, to](Feed& found) { read_on(to, found); }));
}

void CatchUp::tick() {
    std::vector<NodeId> nodes;
    for (const auto& [node, feed] : feeds_) {
        nodes.push_back(node);
    }
    for (const auto node : nodes) {
        auto& feed = feeds_.at(node);
        if (!leads_in(feed.term) || feed.tries > tries_max) {
            feeds_.erase(node);  // libraft asks anew when it hears of the node again
        } else {
            look_again(node, feed);
        }
    }
}

void CatchUp::look_again(NodeId to, Feed& feed) {
    const bool waits = feed.step == Step::asking || !feed.pieces.empty();
    if (!waits || now() - feed.moved_at < patience) {
        read_on(to, feed);
        return;
    }
    ++feed.tries;
    feed.moved_at = now();
    if (feed.step == Step::asking) {
        ask(to, feed);
    } else if (!feed.is_reading) {
        feed.cursor = feed.pieces.front().from;
        feed.sent = feed.match;
        feed.pieces.clear();
        feed.unanswered_bytes = 0;
        read_on(to, feed);
    }
}

/// A copy would not verify either; the store has been told, and a node with a whole log leads soon.
void CatchUp::wait_for_another(NodeId to, const std::string& why) {
    tell("node " + std::to_string(to.value) + " waits for what it lacks: " + why);
    feeds_.erase(to);
}

void CatchUp::give_up(NodeId to, const std::string& why) {
    tell("node " + std::to_string(to.value) + " lacks what is no longer in memory, and has to be " +
         "copied: " + why);
    refused_until_[to] = now() + refusal;
    feeds_.erase(to);
}

}  // namespace millrace::broker::consensus
