#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "storage/base/clock.hpp"
#include "storage/base/metrics.hpp"
#include "storage/index/key_value.hpp"
#include "storage/log/commit_writer.hpp"
#include "storage/log/state_dump.hpp"

namespace millrace::storage {

/// Copies the state, and how far each partition had come, forward in the log before the segments
/// that hold them are recycled.
///
/// Place:    below the store, which asks it of every dead segment; above CommitWriter.
/// Promise:  `has_moved` is true of a segment only when a whole dump of the state behind it is on
///           disk. A dump is the state of one checkpoint, fed a few commits a tick and only while
///           the disk keeps up, so that it takes no place from others.
/// Threads:  the shard's.
/// Failure:  a dump that failed is given up and begun anew after a pause; until then `failure` says
///           why, and the segments stay.
class StateMover {
  public:
    using Append = std::function<Result<FramePlace>(const FrameView&)>;

    /// `append` is how the store takes a frame.
    StateMover(const StoreOptions& options,
               const Clock& clock,
               const CommitWriter& writer,
               Append append,
               MetricsRegistry& metrics);

    [[nodiscard]] bool has_moved(SegmentSequence segment) const { return segment <= moved_upto_; }
    /// Such a segment is no reason for another dump.
    [[nodiscard]] bool is_of_last_dump(SegmentSequence segment) const {
        return segment >= own_first_ && segment <= own_last_;
    }
    /// Could be recycled, but for what only it says.
    void note_waiting(SegmentSequence segment);
    /// Once a tick, between checkpoints: `rows` has the state of one behind all segments up to
    /// `sealed_upto`; `durable` is on disk.
    void step(const KeyValueStore& rows, SegmentSequence sealed_upto, CommitSequence durable);
    [[nodiscard]] const std::optional<Error>& failure() const { return failure_; }

  private:
    /// A dump under way.
    struct Dump {
        StateDumpWriter frames;
        SegmentSequence covers;  ///< nothing up to here is needed once it is on disk
        SegmentSequence first;
        SegmentSequence last;
        CommitSequence last_commit;
    };
    [[nodiscard]] Result<void> feed();
    void end();
    void give_up(const Error& error);

    const StoreOptions& options_;
    const Clock& clock_;
    const CommitWriter& writer_;
    Append append_;
    SegmentSequence moved_upto_;
    SegmentSequence own_first_;  ///< the segments of the last dump, which are no reason for another
    SegmentSequence own_last_;
    bool is_wanted_ = false;
    std::optional<Dump> dump_;
    std::optional<Error> failure_;
    SteadyTime again_at_{};
    Counter& dumps_total_;
    Counter& failures_total_;
};

}  // namespace millrace::storage
