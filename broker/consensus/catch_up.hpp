#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "broker/consensus/group.hpp"
#include "broker/consensus/term_starts.hpp"

extern "C" {
#include <raft.h>
}

namespace millrace::broker::consensus {

/// Gives replicas entries that libraft has no more in memory: from the log, in messages like its
/// own, until what they lack is in memory again.
///
/// libraft believes meanwhile that it has sent a snapshot, and learns from the answers how far the
/// other is. A replica is asked first up to where its log is the same; what this node has applied
/// behind that is read in the order of the log and sent, with a bound on what is not answered.
/// Promise:  only entries that are applied here, each as it counts, without a gap.
/// Threads:  the shard's.
/// Failure:  where the log has no more what a replica lacks, `begin` says so: it has to be copied.
class CatchUp {
  public:
    static constexpr std::size_t unanswered_bytes_max = std::size_t{8} * 1024 * 1024;
    /// False where the message is lost.
    using Send = std::function<bool(NodeId to, const raft_message& message)>;

    /// All of them outlive it. `io` is libraft's, and names its instance.
    CatchUp(const GroupOptions& options,
            Runtime& runtime,
            storage::ShardStore* const& store,
            const TermStarts& terms,
            const raft_io& io,
            Send send);
    CatchUp(const CatchUp&) = delete;
    CatchUp& operator=(const CatchUp&) = delete;
    CatchUp(CatchUp&&) = delete;
    CatchUp& operator=(CatchUp&&) = delete;
    ~CatchUp() { stop(); }

    /// libraft would have `to` install a snapshot. False: so it must be. May be called again and
    /// again.
    [[nodiscard]] bool begin(NodeId to);
    /// What another replica answered. True where that is not for libraft.
    [[nodiscard]] bool hear(NodeId from, const raft_append_entries_result& result);
    /// Now and then: asks again for what got lost.
    void tick();
    /// Nothing is sent any more, and libraft's instance is not looked at.
    void stop();

  private:
    enum class Step : std::uint8_t {
        asking,   ///< up to where the other log is the same
        seeking,  ///< where this log goes on behind that
        sending,
    };
    /// A message that is not answered.
    struct Piece {
        raft_index upto = 0;
        std::size_t bytes = 0;
        storage::ScanCursor from;  ///< where it was read
    };
    struct Feed {
        std::uint64_t number = 0;
        raft_term term = 0;
        Step step = Step::asking;
        raft_index asked = 0;  ///< whether it is the same there
        raft_index back = 1;   ///< how far the next question goes back, if it is not
        raft_index match = 0;
        raft_index sent = 0;
        storage::ScanCursor cursor;
        bool is_reading = false;
        int bare_reads = 0;  ///< in a row, without any entry of the group
        int tries = 0;       ///< since something moved
        std::deque<Piece> pieces;
        std::size_t unanswered_bytes = 0;
        SteadyTime moved_at;
        SteadyTime rests_until;
        SteadyTime began_at;
        std::uint64_t bytes = 0;
    };
    using Entries = std::span<const storage::FrameView* const>;

    /// What runs `work` with the feed and what came, if that is still there and this node leads.
    template <class Work>
    [[nodiscard]] auto if_still(NodeId to, const Feed& feed, Work work);
    [[nodiscard]] const raft& instance() const { return *static_cast<const raft*>(io_.data); }
    [[nodiscard]] SteadyTime now() const { return runtime_.clock().steady_now(); }
    /// What libraft waits for before it goes on by itself.
    [[nodiscard]] raft_index target() const { return instance().log.snapshot.last_index; }
    [[nodiscard]] bool leads_in(raft_term term) const;
    /// Null where there is none, or it is of an earlier term.
    [[nodiscard]] Feed* find(NodeId to);
    /// An append behind `before`. The other takes what is committed for its own entries, so it says
    /// that of none but those which are compared.
    [[nodiscard]] raft_message append_behind(NodeId to,
                                             const Feed& feed,
                                             raft_index before,
                                             std::span<raft_entry> entries) const;
    void ask(NodeId to, Feed& feed);
    void ask_earlier(NodeId to, Feed& feed, raft_index last);
    void seek(NodeId to, Feed& feed);
    void read_on(NodeId to, Feed& feed);
    void take(NodeId to, Feed& feed, const storage::EntryScanResult& read);
    void send_entries(NodeId to, Feed& feed, Entries entries);
    void rest_after(NodeId to, Feed& feed, std::size_t bytes);
    void note_match(NodeId to, Feed& feed, raft_index match);
    void look_again(NodeId to, Feed& feed);
    void wait_for_another(NodeId to, const std::string& why);
    void give_up(NodeId to, const std::string& why);
    void tell(const std::string& text) const;

    const GroupOptions& options_;
    Runtime& runtime_;
    storage::ShardStore* const& store_;
    const TermStarts& terms_;
    const raft_io& io_;
    Send send_;
    std::map<NodeId, Feed> feeds_;
    std::map<NodeId, SteadyTime> refused_until_;
    std::uint64_t last_number_ = 0;
    std::shared_ptr<bool> is_alive_ = std::make_shared<bool>(true);
};

}  // namespace millrace::broker::consensus
