#pragma once

#include <map>
#include <vector>

#include "storage/base/metrics.hpp"
#include "storage/repair/segment_repair.hpp"

namespace millrace::storage {

/// The segments in which damage was found, until they are repaired.
///
/// Threads:  the shard's.
class RepairList {
  public:
    RepairList(ShardId shard, MetricsRegistry& metrics);

    /// False where it is known.
    bool add(SegmentSequence segment);
    /// It is gone from the log.
    void drop(SegmentSequence segment) { tries_.erase(segment); }
    [[nodiscard]] bool is_empty() const { return tries_.empty(); }
    [[nodiscard]] std::vector<SegmentSequence> segments() const;
    /// Another try may help.
    [[nodiscard]] bool is_open(SegmentSequence segment) const;
    /// Logs and counts what has become of a try.
    void end(SegmentSequence segment, const Result<RepairOutcome>& outcome);

  private:
    void note_failure(SegmentSequence segment, const Error& error);

    std::map<SegmentSequence, int> tries_;  ///< that have failed
    Counter& segments_total_;
    Counter& frames_total_;
    Counter& failures_total_;
};

}  // namespace millrace::storage
