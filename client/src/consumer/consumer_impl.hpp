#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "client/src/core.hpp"
#include "client/src/decode.hpp"
#include "client/wire/schema/groups_generated.h"
#include "client/wire/schema/records_generated.h"
#include "millrace/consumer.hpp"

namespace millrace {

/// Fetches ahead on the io thread, one long poll per shard; `poll` decodes what has come, on its
/// own.
class Consumer::Impl : public std::enable_shared_from_this<Consumer::Impl> {
  public:
    Impl(std::shared_ptr<client::Core> core, ConsumerOptions options);
    void start();
    void close();

    [[nodiscard]] std::vector<Record> poll(std::chrono::milliseconds wait_max,
                                           std::size_t records_max);
    void commit();
    [[nodiscard]] std::vector<Damage> damage();
    [[nodiscard]] bool is_caught_up();
    [[nodiscard]] std::vector<TopicPartition> assignment() const;

  private:
    using Clock = std::chrono::steady_clock;
    static constexpr std::size_t chunks_ahead = 4;
    struct Position {
        std::uint32_t shard = 0;
        std::uint32_t index = 0;
        std::string topic;
        std::uint64_t fetch = 0;      ///< where the next fetch begins
        std::uint64_t delivered = 0;  ///< one past what `poll` gave
        std::uint64_t committed = 0;
    };
    /// What a fetch has brought of a partition.
    struct Part {
        std::uint32_t partition_id = 0;
        std::uint64_t from = 0;     ///< records below it are not wanted
        std::uint64_t next = 0;     ///< behind all of them
        std::size_t run_begin = 0;  ///< byte of its chunk's runs
        std::size_t run_bytes = 0;
        std::size_t end = 0;  ///< in its chunk: one past its last record
    };
    /// What a fetch has brought.
    struct Chunk {
        std::vector<Part> parts;
        std::vector<Damage> damage;
        SharedBytes runs;
        std::size_t record_count = 0;  ///< as the headers say, and no more than the bytes could be
    };
    /// A chunk that `poll` has begun to give.
    struct Opened {
        std::vector<Part> parts;
        std::vector<Record> records;   ///< of one part after another
        std::size_t given = 0;         ///< of these
        std::optional<Error> failure;  ///< why not all could be read; told when they are given

        [[nodiscard]] bool is_given() const { return parts.empty(); }
    };

    /// The chunk or its next `records_max` records; what is given counts as delivered. Under the
    /// lock.
    [[nodiscard]] std::vector<Record> give(std::size_t records_max);
    /// Decodes the next chunk, without the lock meanwhile.
    void open_next(std::unique_lock<std::mutex>& lock);
    void decode(Chunk chunk);
    using Offsets = std::map<std::uint32_t, std::uint64_t>;  ///< by partition id
    /// Where partitions are read from of which nothing is committed.
    [[nodiscard]] Offsets starts_of(const std::vector<std::uint32_t>& partition_ids);
    void assign(const Offsets& offsets);
    void assign_alone();
    void join();
    void rejoin();
    void heartbeat();
    void beat(const boost::system::error_code& error);
    void end_heartbeat(std::uint32_t generation, const Result<const wire::FrameView*>& answer);
    void fetch(std::uint32_t shard);
    void fetch_all(const std::set<std::uint32_t>& shards);
    void fetched(std::uint32_t shard,
                 std::uint64_t epoch,
                 const Result<const wire::FrameView*>& answer);
    /// Moves the positions behind what came; true where to ask on at once: not where partitions
    /// were refused for now, and no other had anything. Under the lock.
    [[nodiscard]] bool take(const wire::FetchAnswerT& answer,
                            std::span<const std::byte> raw,
                            Chunk& chunk);
    void keep(Chunk chunk, std::uint64_t epoch);
    /// From where the opened chunk ends, not all of which could be read. Under the lock.
    void fetch_again();
    /// Of all partitions. Under the lock.
    [[nodiscard]] std::set<std::uint32_t> shards() const;
    /// Under the lock.
    void fetch_all_soon();
    void take_error(const wire::FetchedPartitionT& part, Chunk& chunk);
    void fetch_later(std::uint32_t shard, std::uint64_t epoch);
    /// Nothing of the shard is under way any more; false where it was begun anew meanwhile.
    bool ends_fetch(std::uint32_t shard, std::uint64_t epoch);
    [[nodiscard]] bool commits_by_itself() const;
    void commit_if_due();
    /// Commits what `poll` has given. Where the group has a new generation it stays uncommitted.
    void try_commit();
    void send_commit(const Offsets& offsets);

    std::shared_ptr<client::Core> core_;
    ConsumerOptions options_;
    boost::asio::steady_timer heartbeat_timer_;
    std::vector<TopicDescription> topics_;
    std::shared_ptr<const client::PartitionNames> names_;  ///< only the thread that polls
    Opened opened_;                                        ///< the same

    mutable std::mutex mutex_;
    std::condition_variable arrived_;
    std::map<std::uint32_t, Position> positions_;
    std::deque<Chunk> ready_;
    bool is_keeping_ = false;  ///< one chunk more
    /// One until the first is given: who seeks to a record may want no more.
    std::size_t ahead_max_ = 1;
    std::set<std::uint32_t> fetching_;
    std::map<std::uint32_t, std::uint32_t> fetch_bytes_;  ///< what the next fetch asks a shard for
    std::vector<Damage> damage_;
    /// Raised by every assignment and where it is fetched again; answers of before are dropped.
    std::uint64_t epoch_ = 0;
    std::optional<Error> failure_;
    bool must_rejoin_ = false;
    bool is_closed_ = false;
    std::string member_id_;
    std::uint32_t generation_ = 0;
    Clock::time_point last_commit_ = Clock::now();
    std::optional<std::map<std::uint32_t, std::uint64_t>> ends_;
};

}  // namespace millrace
