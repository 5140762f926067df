#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/delivery/reading/fetch.hpp"
#include "broker/gateways/http/records/position.hpp"
#include "broker/gateways/http/shards/shard_gate.hpp"

namespace millrace::broker::http {

/// Records that a reader will not get, and why.
struct ReadGap {
    std::uint32_t partition_index = 0;
    Offset from;
    Offset to;
    std::string why;
};
/// What a piece of reading gave.
struct ReadPiece {
    std::vector<std::string> records;    ///< a line of JSON each
    std::vector<std::string> positions;  ///< behind each record, where they are wanted
    std::vector<ReadGap> gaps;
};

/// Reads partitions of a topic from the shards that own them, a piece at a time.
///
/// Promise:  holds at most one fetch a shard, read or being read, however slow its user is.
/// Threads:  the control thread.
class TopicReader : public std::enable_shared_from_this<TopicReader> {
  public:
    struct Options {
        std::size_t fetch_bytes = std::size_t{256} * 1024;  ///< of one shard; a batch may be larger
        std::size_t records_max = SIZE_MAX;                 ///< of one piece
        bool has_positions = false;                         ///< a piece says where each record ends
        std::shared_ptr<const void> place;  ///< held as long as a fetch may be under way
    };
    /// **Requires** that the positions name partitions of the topic.
    TopicReader(const ShardGate& gate,
                std::shared_ptr<const TopicInfo> topic,
                Positions positions,
                Options options);

    using PieceDone = std::function<void(Result<ReadPiece>)>;
    /// The next records, of whichever shard has some first; none once the time is over. Without
    /// time to wait, what all shards have. One call at a time. Errors: offset_out_of_range,
    /// unknown_partition, shutting_down.
    void next(std::chrono::milliseconds wait_max, PieceDone done);
    /// Forgets who waits.
    void stop() { done_ = nullptr; }
    /// Whether the topic has got partitions since, which only a new reader sees.
    [[nodiscard]] bool is_outdated() const;
    /// Where to read on.
    [[nodiscard]] const Positions& positions() const { return positions_; }

  private:
    using Parts = std::vector<delivery::Fetched>;
    struct ShardPart {
        std::vector<std::uint32_t> partitions;  ///< the one that was read first goes last next time
        bool is_fetching = false;
        std::optional<Result<Parts>> ready;
    };

    void fetch(ShardId shard, ShardPart& part, std::chrono::milliseconds wait_max);
    void take(ShardId shard, Result<Parts> parts);
    void answer();
    [[nodiscard]] bool must_wait() const;
    [[nodiscard]] Result<void> add_all(const Result<Parts>& parts, ReadPiece& piece);
    [[nodiscard]] Result<void> add(const delivery::Fetched& fetched, ReadPiece& piece);
    void add_records(std::uint32_t partition_index,
                     std::span<const std::byte> runs,
                     ReadPiece& piece);
    void add_batch(std::uint32_t partition_index,
                   const BatchHeader& header,
                   std::span<const std::byte> batch,
                   ReadPiece& piece);

    const ShardGate& gate_;
    std::shared_ptr<const TopicInfo> topic_;
    Positions positions_;
    Options options_;
    std::map<ShardId, ShardPart> shards_;
    PieceDone done_;
    bool wants_all_ = false;  ///< an answer waits for every shard
};

}  // namespace millrace::broker::http
