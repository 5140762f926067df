#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/jobs/jobs.hpp"
#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {

class DeliveryShard;

/// A batch on its way to a partition of one shard.
struct JobBatch {
    PartitionId partition;
    std::vector<std::byte> batch;
};
/// A letter that goes out again; `edited` is empty where its record stays as it is.
struct LetterRedrive {
    std::uint64_t id = 0;
    std::vector<std::byte> edited;
};

/// What a job needs of the shards, as straight code: every call waits for its answer.
///
/// Place:    between a job's thread and the shards; tests put their own in its place.
/// Threads:  a job's, never a shard's.
/// Failure:  shutting_down where a shard ended before it answered.
class JobShards {
  public:
    JobShards() = default;
    JobShards(const JobShards&) = delete;
    JobShards& operator=(const JobShards&) = delete;
    JobShards(JobShards&&) = delete;
    JobShards& operator=(JobShards&&) = delete;
    virtual ~JobShards() = default;

    [[nodiscard]] virtual std::uint32_t shard_count() const = 0;
    [[nodiscard]] virtual Result<CatalogPtr> catalog() = 0;
    [[nodiscard]] virtual Result<void> ensure_topic(TopicSpec spec) = 0;

    [[nodiscard]] virtual Result<storage::ScanCursor> scan_start(ShardId shard,
                                                                 UnixMicros time_us) = 0;
    [[nodiscard]] virtual Result<storage::ScanResult> scan(ShardId shard,
                                                           storage::ScanCursor from,
                                                           std::size_t bytes_max) = 0;
    struct Published {
        std::vector<Errc> codes;  ///< by batch; ok means durable
        std::string text;         ///< for the first that was refused
    };
    [[nodiscard]] virtual Result<Published> publish(ShardId shard,
                                                    std::vector<JobBatch> batches) = 0;

    /// With records. The query's `where` must be empty: programs run where the caller is.
    [[nodiscard]] virtual Result<LetterPage> find_letters(ShardId shard,
                                                          const LetterQuery& query) = 0;
    enum class LetterParts : std::uint8_t { facts, whole };
    struct LetterIds {
        std::string subscription;
        std::vector<std::uint64_t> ids;
        LetterParts parts = LetterParts::facts;  ///< whole: with records
    };
    /// Those of the ids that exist.
    [[nodiscard]] virtual Result<std::vector<Letter>> load_letters(ShardId shard,
                                                                   LetterIds wanted) = 0;
    /// Sends those that are open again; `text` stands in their history. Durable when it returns.
    [[nodiscard]] virtual Result<void> redrive(ShardId shard,
                                               const LetterSelection& selection,
                                               std::vector<LetterRedrive> letters) = 0;

    [[nodiscard]] virtual Result<Job> load_job(std::uint64_t job) = 0;
    [[nodiscard]] virtual Result<void> commit(std::uint64_t job, const JobProgress& progress) = 0;
    [[nodiscard]] virtual Result<void> change(std::uint64_t job, const JobChange& change) = 0;
};

/// One shard as the rest of the node reaches it.
struct JobShardLink {
    Runtime* runtime = nullptr;
    Shard* shard = nullptr;
    DeliveryShard* delivery = nullptr;
};
/// Waits until `is_there`; false when it never will be.
using AnswerWait = std::function<bool(const std::function<bool()>& is_there)>;
/// Asks the shards themselves. Without `wait` a call blocks its thread until its answer is there.
/// **Requires** that the shards run until the last call has returned.
[[nodiscard]] std::unique_ptr<JobShards> make_job_shards(std::vector<JobShardLink> links,
                                                         AnswerWait wait = {});

}  // namespace millrace::broker::delivery
