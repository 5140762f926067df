#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <set>

#include "storage/base/clock.hpp"
#include "storage/base/metrics.hpp"
#include "storage/index/batch_index.hpp"
#include "storage/index/key_value.hpp"
#include "storage/io/background.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/log/state_mover.hpp"
#include "storage/rewrite/segment_rewrite.hpp"

namespace millrace::storage {

/// Has sealed segments written anew: those of which little is alive, and those with batches of
/// partitions that ask to be clustered.
///
/// Place:    below the store; above index and log.
/// Promise:  one segment at a time, at `rewrite_bytes_per_second`, and only once the state in it is
///           on disk in younger ones. Readers see a batch in one of its places, never in none.
/// Threads:  the shard's; the rewriting runs on a thread of its own.
/// Failure:  a segment that cannot be rewritten is left as it is until the next start; an error of
///           the disk is tried again after a pause, a few times, a full disk for ever.
class Rewriter {
  public:
    Rewriter(const StoreOptions& options,
             const Clock& clock,
             Disk& disk,
             SegmentFiles& files,
             CommitWriter& writer,
             StateMover& mover,
             MetricsRegistry& metrics);
    Rewriter(const Rewriter&) = delete;
    Rewriter& operator=(const Rewriter&) = delete;
    Rewriter(Rewriter&&) = delete;
    Rewriter& operator=(Rewriter&&) = delete;
    ~Rewriter() { is_stopping_ = true; }

    /// Whether the partition's batches are to lie side by side.
    void set_clustered(PartitionId partition, bool is_clustered);
    /// Once a tick: takes up what was rewritten, and begins with the next segment.
    void step(BatchIndex& index, const KeyValueStore& rows);

  private:
    [[nodiscard]] std::optional<SegmentSequence> choose(const BatchIndex& index,
                                                        const KeyValueStore& rows);
    [[nodiscard]] std::optional<SegmentSequence> choose_clustered(const BatchIndex& index,
                                                                  const KeyValueStore& rows);
    [[nodiscard]] std::optional<SegmentSequence> choose_of(PartitionId partition,
                                                           Offset& looked_upto,
                                                           const BatchIndex& index,
                                                           const KeyValueStore& rows);
    /// Whether the segment may be rewritten now.
    [[nodiscard]] bool is_ready(SegmentSequence segment);
    [[nodiscard]] bool is_sparse(const SegmentRow& row) const;
    void begin(SegmentSequence segment, const SegmentRow& row, const KeyValueStore& rows);
    [[nodiscard]] Result<void> change_over(RewrittenSegment rewritten, BatchIndex& index);
    void leave(SegmentSequence segment, const Error& error);

    const StoreOptions& options_;
    const Clock& clock_;
    Disk& disk_;
    SegmentFiles& files_;
    CommitWriter& writer_;
    StateMover& mover_;
    std::map<PartitionId, Offset> clustered_;  ///< and how far each has been looked through
    PartitionId last_looked_;
    std::set<SegmentSequence> waiting_;  ///< could be rewritten but for the state in them
    std::map<SegmentSequence, int> failures_of_;
    std::set<SegmentSequence> left_alone_;
    SteadyTime again_at_{};
    SteadyTime look_again_at_{};        ///< for clustered partitions
    std::optional<Segment> under_way_;  ///< held, so that nobody recycles it meanwhile
    std::optional<Result<RewrittenSegment>> done_;
    Counter& segments_total_;
    Counter& bytes_total_;
    Counter& freed_bytes_total_;
    Counter& failures_total_;
    std::atomic<bool> is_stopping_{false};
    Background background_{
        Background::mode_of(options_.background_inline)};  ///< last: its job reads what is above
};

}  // namespace millrace::storage
