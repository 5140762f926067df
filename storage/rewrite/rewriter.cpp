#include "storage/rewrite/rewriter.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::storage {
namespace {

constexpr std::chrono::seconds pause_after_failed_rewrite{60};
constexpr int failures_max = 3;
constexpr std::chrono::milliseconds look_interval{500};
constexpr std::size_t chunks_a_tick = 256;
constexpr std::size_t partitions_a_tick = 16;
constexpr std::size_t waiting_segments_max = 8;
constexpr std::uint64_t order_share = 8;  ///< of the batches' bytes, at most
constexpr std::uint64_t rewritten_bytes_min = 3 * disk_alignment;
constexpr std::uint64_t gain_share = 8;  ///< less of a segment is not worth a rewrite

}  // namespace

Rewriter::Rewriter(const StoreOptions& options,
                   const Clock& clock,
                   Disk& disk,
                   SegmentFiles& files,
                   CommitWriter& writer,
                   StateMover& mover,
                   MetricsRegistry& metrics)
    : options_(options),
      clock_(clock),
      disk_(disk),
      files_(files),
      writer_(writer),
      mover_(mover),
      segments_total_(metrics.counter("millrace_storage_rewritten_segments_total",
                                      "Sealed segments written anew, ordered by partition and "
                                      "without what has expired.",
                                      shard_label(options.shard))),
      bytes_total_(metrics.counter("millrace_storage_rewritten_bytes_total",
                                   "Bytes written for that.",
                                   shard_label(options.shard))),
      freed_bytes_total_(metrics.counter("millrace_storage_rewrite_freed_bytes_total",
                                         "Bytes of segments that a rewrite gave back.",
                                         shard_label(options.shard))),
      failures_total_(metrics.counter("millrace_storage_rewrite_failures_total",
                                      "Segments that could not be rewritten and stay as they are.",
                                      shard_label(options.shard))) {}

void Rewriter::set_clustered(PartitionId partition, bool is_clustered) {
    if (is_clustered) {
        clustered_.try_emplace(partition);
    } else {
        clustered_.erase(partition);
    }
}

void Rewriter::step(BatchIndex& index, const KeyValueStore& rows) {
    background_.run_endings();
    if (done_) {
        auto done = std::exchange(done_, std::nullopt);
        const auto changed = *done ? change_over(std::move(*done).value(), index) : done->error();
        if (!changed) {
            leave(under_way_->header.sequence, changed.error());
        }
        under_way_.reset();
    }
    files_.release_replaced();
    if (under_way_ || clock_.steady_now() < again_at_) {
        return;
    }
    const auto next = choose(index, rows);
    if (next) {
        begin(*next, index.sealed_segments().at(*next), rows);
    } else {
        background_.rest();
    }
}

bool Rewriter::is_ready(SegmentSequence segment) {
    if (left_alone_.contains(segment)) {
        return false;
    }
    const bool has_moved = mover_.has_moved(segment);
    if (!has_moved && !mover_.is_of_last_dump(segment)) {
        waiting_.insert(segment);
    }
    // A copy of the state is worth its while for several.
    if (waiting_.size() >= waiting_segments_max) {
        mover_.note_waiting(*waiting_.begin());
    }
    return has_moved;
}

bool Rewriter::is_sparse(const SegmentRow& row) const {
    constexpr std::uint64_t hundred = 100;
    if (row.live_bytes == 0 ||
        row.live_bytes * hundred >= row.batch_bytes * options_.rewrite_below_live_percent) {
        return false;
    }
    const auto needed = row.live_bytes + row.live_bytes / order_share + rewritten_bytes_min;
    return row.used_bytes >= needed + options_.segment_bytes / gain_share;
}

std::optional<SegmentSequence> Rewriter::choose(const BatchIndex& index,
                                                const KeyValueStore& rows) {
    waiting_.clear();
    if (options_.is_replicated) {
        return std::nullopt;
    }
    for (const auto& [segment, row] : index.sealed_segments()) {
        if (is_sparse(row) && is_ready(segment)) {
            return segment;
        }
    }
    return choose_clustered(index, rows);
}

/// Partitions take turns, so that many of them cost a tick no more than a few.
std::optional<SegmentSequence> Rewriter::choose_clustered(const BatchIndex& index,
                                                          const KeyValueStore& rows) {
    std::optional<SegmentSequence> chosen;
    if (clustered_.empty() || clock_.steady_now() < look_again_at_) {
        return chosen;
    }
    auto at = clustered_.upper_bound(last_looked_);
    const auto count = std::min(clustered_.size(), partitions_a_tick);
    for (std::size_t i = 0; i < count && !chosen; ++i) {
        at = at == clustered_.end() ? clustered_.begin() : at;
        last_looked_ = at->first;
        chosen = choose_of(at->first, at->second, index, rows);
        ++at;
    }
    if (!chosen) {
        look_again_at_ = clock_.steady_now() + look_interval;
    }
    return chosen;
}

/// Each row of a partition is looked at once, so that a long one costs nothing while it rests.
std::optional<SegmentSequence> Rewriter::choose_of(PartitionId partition,
                                                   Offset& looked_upto,
                                                   const BatchIndex& index,
                                                   const KeyValueStore& rows) {
    std::optional<SegmentSequence> chosen;
    std::size_t count = 0;
    auto may_pass = true;
    const auto look = [&](std::string_view, std::string_view value) {
        const auto chunk = parse_chunk(value);
        const auto* const row = chunk ? index.find_sealed(chunk.value().segment) : nullptr;
        if (row == nullptr) {
            return false;  // what is not sealed comes later; readers report what does not parse
        }
        const auto segment = chunk.value().segment;
        const bool is_wanted = row->generation == 0 && !left_alone_.contains(segment);
        if (is_wanted && is_ready(segment)) {
            chosen = segment;
            return false;
        }
        // What has to wait is looked at once more, and those behind it are counted.
        may_pass = may_pass && !is_wanted;
        looked_upto = may_pass ? chunk.value().end() : looked_upto;
        return ++count < chunks_a_tick;
    };
    const auto visited =
        rows.visit(chunk_prefix(partition), chunk_key(partition, looked_upto), look);
    if (!visited) {
        log_error("storage", visited.error().text);
    }
    return chosen;
}

void Rewriter::begin(SegmentSequence segment, const SegmentRow& row, const KeyValueStore& rows) {
    const auto* const source = files_.find(segment);
    if (source == nullptr) {
        left_alone_.insert(segment);
        return;
    }
    under_way_ = *source;
    const RewriteTask task{.segment = *source,
                           .used_bytes = row.used_bytes,
                           .path = files_.path_of(segment, source->generation + 1),
                           .directory = files_.directory(),
                           .commit_bytes_max = options_.commit_bytes_max,
                           .memory_bytes_max = options_.rewrite_memory_bytes_max};
    const auto bytes_per_second =
        options_.background_inline ? 0 : options_.rewrite_bytes_per_second;
    background_.start([this, task, &rows, bytes_per_second]() -> Background::Ending {
        Pace pace(bytes_per_second, is_stopping_);
        auto rewritten =
            std::make_shared<Result<RewrittenSegment>>(rewrite_segment(disk_, rows, task, pace));
        return [this, rewritten] { done_ = std::move(*rewritten); };
    });
}

Result<void> Rewriter::change_over(RewrittenSegment rewritten, BatchIndex& index) {
    const auto segment = rewritten.segment.header.sequence;
    const auto before = under_way_->file_bytes;
    const auto after = rewritten.segment.file_bytes;
    MILLRACE_TRY(
        index.move_batches(segment, after, rewritten.segment.generation, rewritten.chunks));
    files_.replace(std::move(rewritten.segment));
    writer_.forget_tail(segment);
    segments_total_.add();
    bytes_total_.add(after);
    freed_bytes_total_.add(before > after ? before - after : 0);
    return ok();
}

void Rewriter::leave(SegmentSequence segment, const Error& error) {
    if (error.code == Errc::not_found || error.code == Errc::shutting_down) {
        return;  // retention was faster, and the segment is recycled
    }
    failures_total_.add();
    const bool is_full = error.code == Errc::out_of_space || error.os_error == ENOSPC;
    const bool is_for_good = error.code == Errc::corrupt || error.code == Errc::limit_reached;
    if (is_for_good || (!is_full && ++failures_of_[segment] >= failures_max)) {
        left_alone_.insert(segment);
    }
    again_at_ = clock_.steady_now() + pause_after_failed_rewrite;
    log_error("storage", "a segment is not rewritten: " + error.text);
}

}  // namespace millrace::storage
