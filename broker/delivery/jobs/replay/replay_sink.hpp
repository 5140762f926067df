#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/delivery/jobs/job_shards.hpp"
#include "broker/delivery/jobs/replay/replay_source.hpp"
#include "client/wire/compression.hpp"

namespace millrace::broker::delivery {

/// Gathers replayed records and publishes them to a topic.
///
/// Promise:  records of one key, and those without a key of one partition, go to one partition in
/// the order in which they were added. Each keeps what it had and carries the job's id and its
/// origin. Threads:  a job's.
class ReplaySink {
  public:
    struct Options {
        std::uint64_t job = 0;
        std::string topic;
        std::size_t batch_bytes_max = std::size_t{512} * 1024;
    };
    ReplaySink(JobShards& shards, Options options)
        : shards_(shards), options_(std::move(options)) {}

    void add(ReplayRecord record);
    [[nodiscard]] std::size_t record_count() const { return waiting_.size(); }
    [[nodiscard]] std::size_t bytes() const { return bytes_; }
    struct Sent {
        std::uint64_t records = 0;
        std::uint64_t bytes = 0;
        std::uint64_t refused = 0;  ///< one by one, because of their own size
        std::string error;          ///< of the last of those
    };
    /// Publishes what was added; durable when it returns. After an error it can be called again for
    /// what is left; a batch whose answer was lost may go out twice. Errors: what the publish says,
    /// unknown_topic.
    [[nodiscard]] Result<void> flush();
    /// What went out since the last call.
    [[nodiscard]] Sent take_sent() { return std::exchange(sent_, {}); }

  private:
    struct Waiting {
        ReplayRecord record;
        bool is_done = false;
    };
    struct Batch {
        PartitionId partition;
        ShardId shard;
        std::size_t round = 0;  ///< so many batches of the same partition go before
        std::vector<Waiting*> records;
        std::size_t bytes = 0;
    };
    [[nodiscard]] Result<std::vector<Batch>> batches();
    [[nodiscard]] static std::map<ShardId, std::vector<Batch*>> of_round(
        std::vector<Batch>& batches, std::size_t round);
    [[nodiscard]] Result<std::vector<std::byte>> encode(const std::vector<Waiting*>& records,
                                                        wire::Codec codec) const;
    /// Batches of different partitions of one shard.
    [[nodiscard]] Result<void> publish(ShardId shard, const std::vector<Batch*>& batches);
    [[nodiscard]] Result<void> publish_one_by_one(const Batch& batch);
    void count(const std::vector<Waiting*>& records, std::size_t bytes);

    JobShards& shards_;
    Options options_;
    std::vector<Waiting> waiting_;
    std::size_t bytes_ = 0;
    Sent sent_;
};

}  // namespace millrace::broker::delivery
