#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "storage/copy/segment_reader.hpp"
#include "storage/index/batch_index.hpp"
#include "storage/index/index_marks.hpp"
#include "storage/index/recovered_entries.hpp"
#include "storage/index/segment_times.hpp"
#include "storage/index/state_map.hpp"
#include "storage/index/unsealed_segments.hpp"
#include "storage/io/background.hpp"
#include "storage/log/commit_writer.hpp"
#include "storage/log/frame_reader.hpp"
#include "storage/log/log_scanner.hpp"
#include "storage/log/partition_reader.hpp"
#include "storage/log/recovery.hpp"
#include "storage/log/scrubber.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/log/state_dump.hpp"
#include "storage/log/state_mover.hpp"
#include "storage/recycler.hpp"
#include "storage/repair/entry_finder.hpp"
#include "storage/repair/repair_list.hpp"
#include "storage/rewrite/rewriter.hpp"
#include "storage/shard_store.hpp"
#include "storage/space_watch.hpp"

namespace millrace::storage {

/// Put together from the parts of this folder.
class Store final : public ShardStore {
  public:
    Store(Disk& disk,
          const Clock& clock,
          MetricsRegistry& metrics,
          StoreOptions options,
          StoreEvents& events)
        : options_(std::move(options)),
          clock_(clock),
          disk_(disk),
          events_(events),
          background_(Background::mode_of(options_.background_inline)),
          files_(disk, clock, options_, background_),
          writer_(options_, clock, disk, files_, metrics),
          read_buffers_(disk),
          reader_(files_, writer_, read_buffers_),
          scanner_(files_,
                   writer_,
                   read_buffers_,
                   [this](SegmentSequence segment) { return used_bytes_of(segment); }),
          segment_reader_(
              files_, writer_, [this](SegmentSequence segment) { return used_bytes_of(segment); }),
          chunk_cache_(options_.shard, metrics),
          frames_(files_),
          scrubber_(
              options_,
              clock,
              files_,
              [this](SegmentSequence segment, const Error& damage) {
                  take_damage(segment, damage);
              },
              metrics),
          finder_(
              options_,
              files_,
              [this](SegmentSequence segment) { return segment_reader_.durable_bytes(segment); }),
          repairs_(options_.shard, metrics),
          mover_(
              options_,
              clock,
              writer_,
              [this](const FrameView& frame) { return append(frame); },
              metrics),
          recycler_(files_, mover_, options_.is_replicated),
          rewriter_(options_, clock, disk, files_, writer_, mover_, metrics),
          space_(disk, options_) {}
    Store(const Store&) = delete;
    Store& operator=(const Store&) = delete;
    Store(Store&&) = delete;
    Store& operator=(Store&&) = delete;
    ~Store() override {
        background_.finish();
        disk_.drain();
    }

    Result<void> open();

    Result<FramePlace> append(const FrameView& frame) override;
    void submit() override {
        background_.run_endings();
        writer_.submit();
        files_.go_on(writer_.active_bytes());
    }
    Result<void> sync() override;
    bool is_out_of_space() const override { return space_.is_short(); }
    Result<std::span<const std::byte>> read_payload(FramePlace place, std::size_t bytes) override {
        auto payload = frames_.read(place, bytes);
        if (!payload && payload.error().code == Errc::corrupt) {
            suspect(place.segment);
        }
        return payload;
    }
    void index_batches(FramePlace place, std::span<const std::byte> payload) override {
        index_->add_run(place.segment, place.position + frame_header_bytes, payload);
    }
    Result<void> take_back_batches(FramePlace place, std::size_t payload_bytes) override {
        MILLRACE_TRY(const auto payload, read_payload(place, payload_bytes));
        index_->take_back_run(place.segment, place.position + frame_header_bytes, payload);
        return ok();
    }
    void mark_applied(CommitSequence commit) override { applied_ = std::max(applied_, commit); }
    CommitSequence hold_applied(CommitSequence commit) override {
        const auto last = applied_;
        applied_ = std::min(applied_, std::max(commit, checkpointed_));
        return last;
    }
    PartitionBounds bounds(PartitionId partition) const override {
        return index_->bounds(partition);
    }
    std::vector<PartitionId> partitions() const override { return index_->partitions(); }
    void read(const ReadRequest& request, ReadDone done) override {
        read_all({request}, request.bytes_max, [done = std::move(done)](auto results) {
            done(std::move(results.front()));
        });
    }
    void read_all(const std::vector<ReadRequest>& requests,
                  std::size_t runs_bytes_max,
                  ReadAllDone done) override {
        reader_.read(
            requests, runs_bytes_max, [this, requests, done = std::move(done)](auto results) {
                for (std::size_t i = 0; i < results.size(); ++i) {
                    look_at_damage(requests[i].partition, results[i]);
                }
                done(std::move(results));
            });
    }
    Result<Offset> offset_at(PartitionId partition, UnixMicros time_us) override {
        return index_->offset_at(partition, time_us);
    }
    UnixMicros last_time_us() const override { return index_->last_time_us(); }
    Result<std::optional<UnixMicros>> append_time_at(PartitionId partition,
                                                     Offset offset) override {
        MILLRACE_TRY(const auto places, index_->find(partition, offset, 1));
        return places.empty() ? std::nullopt : std::optional(places.front().entry.append_time_us);
    }
    Result<ScanCursor> scan_start(UnixMicros time_us) override {
        const auto found = first_segment_since(time_us, *index_, unsealed_);
        return ScanCursor{.segment = found.value_or(writer_.active_segment()),
                          .position = Position{disk_alignment}};
    }
    void scan(ScanCursor from, std::size_t bytes_max, ScanDone done) override {
        scanner_.scan(from, bytes_max, applied_, std::move(done));
    }
    void scan_entries(GroupId group, ScanCursor from, EntryScanDone done) override {
        scanner_.scan_entries(
            group,
            from,
            applied_,
            [this, segment = from.segment, done = std::move(done)](Result<EntryScanResult> result) {
                if (!result && result.error().code == Errc::corrupt) {
                    suspect(segment);
                }
                done(std::move(result));
            });
    }
    void seek_entry(GroupId group, RaftIndex index, SeekEntryDone done) override {
        finder_.seek({.group = group, .index = index, .term = {}}, std::move(done));
    }
    void put_state(std::string_view key, std::string_view value) override {
        state_->put(key, value);
    }
    void erase_state(std::string_view key) override { state_->erase(key); }
    Result<std::optional<std::string>> get_state(std::string_view key) const override {
        return state_->load(key);
    }
    Result<void> visit_state(
        std::string_view prefix,
        std::string_view from,
        const std::function<bool(std::string_view, std::string_view)>& visit) const override {
        return state_->visit(prefix, from, visit);
    }
    Result<void> enforce_retention(PartitionId partition, const RetentionRule& rule) override;
    void set_clustered(PartitionId partition, bool is_clustered) override {
        rewriter_.set_clustered(partition, is_clustered);
    }
    Result<void> drop_partition(PartitionId partition) override {
        rewriter_.set_clustered(partition, false);
        return index_->drop_partition(partition);
    }
    void tick() override;
    Result<void> checkpoint() override;
    std::vector<SegmentExtent> list_segments() const override { return segment_reader_.list(); }
    void read_segment(const SegmentRead& request, SegmentReadDone done) override {
        segment_reader_.read(request, std::move(done));
    }
    void check_segment(SegmentSequence segment, std::uint64_t hash_seed) override;
    void find_entry(const EntryRequest& request, FindEntryDone done) override {
        finder_.find(request, std::move(done));
    }
    std::vector<SegmentSequence> damaged_segments() const override { return repairs_.segments(); }
    void note_damaged(const std::vector<SegmentSequence>& segments) override;
    Result<std::shared_ptr<const RepairTask>> begin_repair() override;
    void end_repair(const RepairTask& task, const Result<RepairOutcome>& outcome) override;
    StoreStats stats() const override;

  private:
    Result<void> open_index();
    Result<void> recover();
    /// False where nothing was ever written to it.
    Result<bool> recover_segment(const Segment& segment, const Segment* following);
    [[nodiscard]] std::uint64_t used_bytes_of(SegmentSequence segment) const;
    void take_damage(SegmentSequence segment, const Error& damage);
    /// Something of it was read and does not verify.
    void suspect(SegmentSequence segment);
    void look_at_damage(PartitionId partition, Result<ReadResult>& result);
    void recover_frame(const FrameView& frame, FramePlace place);
    void take_back(const FrameView& truncation);
    void start_checkpoint();
    void end_checkpoint(const Result<void>& written,
                        CommitSequence upto,
                        const std::vector<SealJob>& seals);
    [[nodiscard]] bool is_checkpoint_due() const;
    void recover_dump(const FrameView& frame, FramePlace place);
    void restore_dump();

    StoreOptions options_;
    const Clock& clock_;
    Disk& disk_;
    StoreEvents& events_;
    std::unique_ptr<KeyValueStore> rows_;
    std::unique_ptr<StateMap> state_;
    std::unique_ptr<BatchIndex> index_;
    Background background_;
    SegmentFiles files_;
    CommitWriter writer_;
    ReadBuffers read_buffers_;
    PartitionReader reader_;
    LogScanner scanner_;
    SegmentReader segment_reader_;
    ChunkCache chunk_cache_;
    FrameReader frames_;
    Scrubber scrubber_;
    EntryFinder finder_;
    RepairList repairs_;
    StateMover mover_;
    Recycler recycler_;
    Rewriter rewriter_;
    SpaceWatch space_;
    StateDumpReader dumps_;  ///< of the segments that a rebuild reads
    UnsealedSegments unsealed_;
    bool is_index_empty_ = false;  ///< the log is read whole
    CommitSequence applied_;
    RecoveredEntries recovered_;  ///< while the store opens
    CommitSequence checkpointed_;
    SegmentSequence sealed_upto_;
    bool is_checkpointing_ = false;
    std::uint64_t torn_tails_cut_ = 0;
    std::uint64_t frames_quarantined_ = 0;
    /// Of records that a read met.
    std::map<std::pair<PartitionId, Offset>, SteadyTime> damaged_since_;
    std::uint64_t epoch_ = 0;
};

}  // namespace millrace::storage
