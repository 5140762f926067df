#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "storage/base/clock.hpp"
#include "storage/base/metrics.hpp"
#include "storage/format/layout.hpp"
#include "storage/io/disk_buffer.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage {

/// Gathers frames into commits and writes them, up to a few in flight, in order.
///
/// Place:    below the store, above SegmentFiles and Disk.
/// Promise:  `on_durable` names each commit once, in order, when it and all before it are on disk.
/// Recent commits stay readable from memory. Threads:  the shard's. Failure:  after a failed write
/// it is poisoned: later calls give Errc::poisoned, because the kernel may have dropped pages it
/// could not write, and
///           a second sync would report success for data that is gone.
class CommitWriter {
  public:
    struct Events {
        std::function<void(CommitSequence)> on_durable;
        std::function<void(const Error&)> on_failed;
        /// The active segment changed; the one given is full once its commits are durable.
        std::function<void(SegmentSequence finished, CommitSequence last)> on_rolled;
    };
    CommitWriter(const StoreOptions& options,
                 const Clock& clock,
                 Disk& disk,
                 SegmentFiles& files,
                 MetricsRegistry& metrics);

    void set_events(Events events) { events_ = std::move(events); }
    /// Begins in a fresh segment.
    [[nodiscard]] Result<void> open(CommitSequence next, std::uint64_t epoch);

    [[nodiscard]] Result<FramePlace> append(const FrameView& frame);
    void submit();
    [[nodiscard]] bool is_idle() const {
        return in_flight_.empty() && waiting_.empty() && !is_gathering();
    }
    [[nodiscard]] bool is_poisoned() const { return poison_.has_value(); }

    /// Copies bytes of recent commits; false when they are not in memory any more.
    [[nodiscard]] bool copy_from_tail(SegmentSequence segment,
                                      Position at,
                                      std::span<std::byte> out) const;
    /// The segment has been rewritten: what memory holds is not what lies at its positions any
    /// more.
    void forget_tail(SegmentSequence segment);
    [[nodiscard]] SegmentSequence active_segment() const { return segment_->header.sequence; }
    /// How far the active segment is written or about to be.
    [[nodiscard]] std::uint64_t active_bytes() const { return position_; }
    [[nodiscard]] CommitSequence last_durable() const { return last_durable_; }
    /// Where that ends, or where the first one begins: all of earlier segments is durable, of this
    /// one what lies before, and nothing of later ones.
    [[nodiscard]] ScanCursor durable_end() const { return durable_end_; }
    /// Gathered into whole commits and not on disk yet.
    [[nodiscard]] std::size_t backlog_bytes() const { return backlog_bytes_; }
    [[nodiscard]] std::uint64_t commits() const { return commit_count_; }

  private:
    /// A stretch of one segment in memory; commits lie in it as they lie on disk.
    struct Buffer {
        DiskBuffer memory;
        SegmentSequence segment;
        std::uint64_t base = 0;  ///< position of its first byte in the segment
        std::size_t used = 0;
    };
    struct Commit {
        std::shared_ptr<Buffer> buffer;
        std::shared_ptr<File> file;
        std::size_t begin = 0;  ///< in the buffer
        std::size_t bytes = 0;
        CommitHeader header;
        bool is_done = false;
        SteadyTime issued{};
    };

    [[nodiscard]] bool is_gathering() const { return gathering_.has_value(); }
    [[nodiscard]] std::size_t room() const;
    [[nodiscard]] Result<void> begin_commit(std::size_t frame_bytes);
    [[nodiscard]] Result<void> roll();
    void add_buffer();
    void finish_commit();
    void issue_waiting();
    void complete(Commit& commit, std::int32_t result);
    void poison(const Error& error);

    const StoreOptions& options_;
    const Clock& clock_;
    Disk& disk_;
    SegmentFiles& files_;
    Events events_;
    const Segment* segment_ = nullptr;
    std::uint64_t epoch_ = 0;
    std::uint64_t position_ = 0;  ///< where the next commit begins in the segment
    CommitSequence next_{1};
    CommitSequence last_durable_;
    ScanCursor durable_end_;
    std::deque<std::shared_ptr<Buffer>> buffers_;  ///< the tail, oldest first
    std::size_t tail_bytes_ = 0;
    std::optional<Commit> gathering_;
    std::size_t gathered_ = 0;
    std::deque<std::shared_ptr<Commit>> waiting_;
    std::deque<std::shared_ptr<Commit>> in_flight_;
    std::size_t backlog_bytes_ = 0;
    std::optional<Error> poison_;
    std::uint64_t commit_count_ = 0;
    Histogram& write_latency_us_;
    Histogram& commit_bytes_;
    Counter& commits_total_;
};

}  // namespace millrace::storage
