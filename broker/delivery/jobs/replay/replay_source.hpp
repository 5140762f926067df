#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <vector>

#include "broker/delivery/jobs/job_control.hpp"
#include "broker/delivery/jobs/job_shards.hpp"
#include "broker/delivery/jobs/replay/record_filter.hpp"

namespace millrace::broker::delivery {

/// One record of a window that the filters want.
struct ReplayRecord {
    RecordOrigin origin;
    std::vector<std::byte> record;     ///< plain
    std::uint64_t skipped_before = 0;  ///< of its shard, since the record before
};

/// The records of a replay's window from all shards, in the order of their append times.
///
/// Promise:  what `cursors` names is enough to go on behind the record that was taken last: none is
///           left out, and where the log has been rewritten in between, some come again.
/// Threads:  a job's.
class ReplaySource {
  public:
    /// Errors: invalid_argument, for the filter.
    [[nodiscard]] static Result<ReplaySource> make(JobShards& shards,
                                                   JobControl& control,
                                                   const Job& job);

    struct Step {
        const ReplayRecord* record = nullptr;  ///< valid until `take`
        bool is_end = false;
    };
    /// The next record, or the end, or neither after a stretch of the log without any, so that
    /// progress can be kept on the way. Errors: io; cancelled when the job must stop.
    [[nodiscard]] Result<Step> peek(JobProgress& progress);
    /// The record that `peek` gave is done with.
    [[nodiscard]] ReplayRecord take(JobProgress& progress);
    [[nodiscard]] std::vector<ReplayCursor> cursors() const;
    /// Everything appended before is done with.
    [[nodiscard]] UnixMicros position_us() const;

    static constexpr std::size_t page_bytes = 2U << 20U;

  private:
    struct Shard {
        ReplayCursor cursor;
        storage::ScanCursor next_page;
        UnixMicros reached_us = 0;
        bool has_page = false;
        bool must_skip = false;  ///< what the cursor calls done is still to come
        std::vector<std::byte> runs;
        std::size_t runs_at = 0;
        std::deque<ReplayRecord> records;
        std::deque<std::uint32_t> partitions;  ///< of the records
        std::uint64_t skipped = 0;             ///< since the last of the records
    };
    struct Window {
        UnixMicros append_from_us = 0;
        UnixMicros append_to_us = 0;
        UnixMicros event_from_us = 0;
        UnixMicros event_to_us = 0;
    };
    ReplaySource(JobShards& shards, JobControl& control, const Job& job, RecordFilter filter);

    /// Whether it is known what the shard gives next.
    [[nodiscard]] Result<bool> fill(ShardId id, JobProgress& progress);
    [[nodiscard]] Result<void> load_page(ShardId id, Shard& shard, JobProgress& progress);
    [[nodiscard]] Result<void> learn_topics();
    [[nodiscard]] static std::optional<BatchHeader> next_header(const Shard& shard);
    void take_batch(Shard& shard, const BatchHeader& header, JobProgress& progress);
    void take_view(Shard& shard,
                   const BatchHeader& header,
                   const wire::RecordView& view,
                   Offset offset);
    [[nodiscard]] static bool holds_last(const Shard& shard);

    JobShards* shards_;
    JobControl* control_;
    std::vector<std::string> topics_;
    Window window_;
    RecordFilter filter_;
    CatalogPtr catalog_;
    std::unordered_map<PartitionId, RecordOrigin> wanted_;  ///< partitions, by name
    std::vector<Shard> by_shard_;
    std::optional<std::size_t> first_;  ///< the shard whose record `peek` gave
};

}  // namespace millrace::broker::delivery
