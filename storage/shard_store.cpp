#include "storage/shard_store.hpp"

#include <algorithm>

#include "storage/base/logging.hpp"
#include "storage/index/batch_index.hpp"
#include "storage/index/index_marks.hpp"
#include "storage/index/state_map.hpp"
#include "storage/index/unsealed_segments.hpp"
#include "storage/log/background.hpp"
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
#include "storage/rewrite/rewriter.hpp"
#include "storage/space_watch.hpp"

namespace millrace::storage {
namespace {

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
          background_(options_.background_inline ? Background::Mode::inline_in_owner
                                                 : Background::Mode::thread),
          files_(disk, clock, options_, background_),
          writer_(options_, clock, disk, files_, metrics),
          reader_(files_, writer_),
          scanner_(
              files_, writer_, [this](SegmentSequence segment) { return used_bytes_of(segment); }),
          frames_(files_),
          scrubber_(options_, clock, files_, metrics),
          mover_(
              options_,
              clock,
              writer_,
              [this](const FrameView& frame) { return append(frame); },
              metrics),
          recycler_(files_, mover_),
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
        return frames_.read(place, bytes);
    }
    void index_batches(FramePlace place, std::span<const std::byte> payload) override {
        index_->add_run(place.segment, place.position + frame_header_bytes, payload);
    }
    void mark_applied(CommitSequence commit) override;
    PartitionBounds bounds(PartitionId partition) const override {
        return index_->bounds(partition);
    }
    std::vector<PartitionId> partitions() const override { return index_->partitions(); }
    void read(const ReadRequest& request, ReadDone done) override {
        reader_.read({request}, request.bytes_max, [done = std::move(done)](auto results) {
            done(std::move(results.front()));
        });
    }
    void read_all(const std::vector<ReadRequest>& requests,
                  std::size_t runs_bytes_max,
                  ReadAllDone done) override {
        reader_.read(requests, runs_bytes_max, std::move(done));
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
    Result<ScanCursor> scan_start(UnixMicros time_us) override;
    void scan(ScanCursor from, std::size_t bytes_max, ScanDone done) override {
        scanner_.scan(from, bytes_max, applied_, std::move(done));
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
    StoreStats stats() const override;

  private:
    Result<void> open_index();
    Result<void> recover();
    /// False where nothing was ever written to it.
    Result<bool> recover_segment(const Segment& segment, const Segment* following);
    [[nodiscard]] std::uint64_t used_bytes_of(SegmentSequence segment) const;
    void recover_frame(const FrameView& frame, FramePlace place);
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
    PartitionReader reader_;
    LogScanner scanner_;
    FrameReader frames_;
    Scrubber scrubber_;
    StateMover mover_;
    Recycler recycler_;
    Rewriter rewriter_;
    SpaceWatch space_;
    StateDumpReader dumps_;  ///< of the segments that a rebuild reads
    UnsealedSegments unsealed_;
    bool is_index_empty_ = false;  ///< the log is read whole
    CommitSequence applied_;
    CommitSequence checkpointed_;
    SegmentSequence sealed_upto_;
    bool is_checkpointing_ = false;
    std::uint64_t torn_tails_cut_ = 0;
    std::uint64_t frames_quarantined_ = 0;
    std::uint64_t epoch_ = 0;
};

Result<void> Store::open_index() {
    MILLRACE_TRY(auto opened, storage::open_index(options_));
    rows_ = std::move(opened.rows);
    is_index_empty_ = opened.is_empty;
    epoch_ = opened.marks.epoch;
    checkpointed_ = opened.marks.checkpoint;
    sealed_upto_ = opened.marks.sealed_upto;
    state_ = std::make_unique<StateMap>(*rows_);
    index_ = std::make_unique<BatchIndex>(*rows_);
    reader_.open(*index_);
    return index_->load();
}

void Store::recover_dump(const FrameView& frame, FramePlace place) {
    if (const auto added = dumps_.add(frame); !added) {
        ++frames_quarantined_;
        log_error("storage",
                  "segment " + std::to_string(place.segment.value) + ", position " +
                      std::to_string(place.position.value) + ": " + added.error().text +
                      "; the copy of the state before it is used");
    }
}

void Store::restore_dump() {
    for (const auto& [key, value] : dumps_.rows()) {
        state_->put(key, value);
    }
    for (const auto& [partition, next] : dumps_.ends()) {
        index_->keep_end(partition, next);
    }
    dumps_ = {};
}

void Store::recover_frame(const FrameView& frame, FramePlace place) {
    if (frame.kind == FrameKind::checkpoint) {
        if (is_index_empty_) {
            recover_dump(frame, place);
        }
        return;
    }
    if (frame.kind == FrameKind::relocated) {
        if (frame.entry_type == entry_type_records) {
            index_batches(place, frame.payload);
        }
        return;
    }
    const bool in_state = place.commit <= checkpointed_;
    // A rebuild indexes everything: state that a dump brings back may make the entry itself
    // superfluous.
    const bool is_applied = in_state || is_index_empty_;
    if (is_applied && frame.kind == FrameKind::entry && frame.entry_type == entry_type_records) {
        index_batches(place, frame.payload);
    }
    events_.on_recovered_frame(frame, place, in_state);
}

Result<bool> Store::recover_segment(const Segment& segment, const Segment* following) {
    const auto sequence = segment.header.sequence;
    MILLRACE_TRY(const auto scan,
                 scan_segment(segment,
                              {.after = applied_,
                               .commits_in_flight_max = options_.commits_in_flight_max,
                               .following = following,
                               .used_bytes = std::nullopt},
                              [this](const FrameView& frame, FramePlace place) {
                                  recover_frame(frame, place);
                              }));
    torn_tails_cut_ += scan.torn_tails;
    frames_quarantined_ += scan.quarantined;
    applied_ = std::max(applied_, scan.last);
    epoch_ = std::max(epoch_, segment.header.writer_epoch);
    unsealed_.add(sequence,
                  {.first_time_us = scan.first_time_us,
                   .last_time_us = scan.last_time_us,
                   .used_bytes = scan.used_bytes,
                   .generation = segment.generation},
                  scan.last);
    return scan.used_bytes != disk_alignment || scan.quarantined > 0;
}

Result<void> Store::recover() {
    std::vector<std::string> broken;
    MILLRACE_TRY(files_.open_all(
        [this](SegmentSequence sequence) { return index_->generation_of(sequence); }, broken));
    for (const auto& path : broken) {
        ++frames_quarantined_;
        log_error("storage", path + ": its header does not verify; the segment is left out");
    }
    std::vector<SegmentSequence> empty;
    const auto& segments = files_.segments();
    for (auto at = segments.begin(); at != segments.end(); ++at) {
        const auto& [sequence, segment] = *at;
        if (const auto* const row = index_->find_sealed(sequence)) {
            scrubber_.add(segment, row->used_bytes);
            continue;
        }
        const auto next = std::next(at);
        const auto* const following = next == segments.end() ? nullptr : &next->second;
        // What was sealed and has no row was recycled, and its file came back.
        MILLRACE_TRY(const bool is_used,
                     sequence <= sealed_upto_ ? false : recover_segment(segment, following));
        if (!is_used) {
            empty.push_back(sequence);
        }
    }
    for (const auto sequence : empty) {
        unsealed_.forget(sequence);
        (void)files_.release(sequence);  // nobody reads yet
    }
    return ok();
}

Result<void> Store::open() {
    MILLRACE_TRY(files_.make_directories());
    MILLRACE_TRY(open_index());
    applied_ = CommitSequence{0};
    MILLRACE_TRY(recover());
    applied_ = std::max(applied_, checkpointed_);
    restore_dump();
    ++epoch_;
    KeyValueBatch batch;
    mark_opened(batch, epoch_, is_index_empty_);
    if (is_index_empty_) {
        index_->add_bare_partitions(batch);
    }
    MILLRACE_TRY(rows_->write(std::move(batch), Durability::now));
    files_.set_epoch(epoch_);
    space_.look();
    writer_.set_events(
        {.on_durable = [this](CommitSequence commit) { events_.on_durable(commit); },
         .on_failed = [this](const Error& error) { events_.on_failed(error); },
         .on_rolled = [this](SegmentSequence finished,
                             CommitSequence last) { unsealed_.finish(finished, last); }});
    return writer_.open(applied_ + 1, epoch_);
}

Result<FramePlace> Store::append(const FrameView& frame) {
    const bool is_records =
        frame.kind == FrameKind::entry && frame.entry_type == entry_type_records;
    if (is_records && space_.is_short()) {
        return fail(
            Errc::out_of_space,
            "limit disk_reserve_bytes: less than the reserve is free on " + options_.directory);
    }
    MILLRACE_TRY(const auto place, writer_.append(frame));
    unsealed_.note_append(place, frame.payload.size(), clock_.unix_now());
    return place;
}

Result<void> Store::sync() {
    while (!writer_.is_idle() && !writer_.is_poisoned()) {
        writer_.submit();
        disk_.drain();
    }
    if (writer_.is_poisoned()) {
        return fail(Errc::poisoned, "an earlier write failed");
    }
    return ok();
}

void Store::mark_applied(CommitSequence commit) {
    applied_ = std::max(applied_, commit);
}

std::uint64_t Store::used_bytes_of(SegmentSequence segment) const {
    if (const auto open = unsealed_.find(segment)) {
        return open->used_bytes;
    }
    const auto* const row = index_->find_sealed(segment);
    return row == nullptr ? 0 : row->used_bytes;
}

Result<ScanCursor> Store::scan_start(UnixMicros time_us) {
    for (const auto& [sequence, row] : index_->sealed_segments()) {
        if (row.last_time_us >= time_us) {
            return ScanCursor{.segment = sequence, .position = Position{disk_alignment}};
        }
    }
    for (const auto& [sequence, segment] : unsealed_.all()) {
        if (std::max(segment.row.last_time_us, index_->last_time_of_unsealed(sequence)) >=
            time_us) {
            return ScanCursor{.segment = sequence, .position = Position{disk_alignment}};
        }
    }
    return ScanCursor{.segment = writer_.active_segment(), .position = Position{disk_alignment}};
}

Result<void> Store::enforce_retention(PartitionId partition, const RetentionRule& rule) {
    return index_->drop_front(partition, [&, now = clock_.unix_now()](const auto& chunk) {
        const auto age = std::chrono::microseconds(now - chunk.last_time_us);
        // Once what stays is still enough. Rows of a checkpoint on its way would undo it.
        const auto rest_bytes = chunk.partition_bytes - chunk.live_bytes;
        return !is_checkpointing_ && ((rule.age_max && age > *rule.age_max) ||
                                      (rule.bytes_max && rest_bytes >= *rule.bytes_max));
    });
}

bool Store::is_checkpoint_due() const {
    if (is_checkpointing_ || writer_.is_poisoned()) {
        return false;
    }
    return !unsealed_.due(applied_).empty() || files_.awaits_checkpoint() ||
           state_->unsaved_bytes() > options_.state_overlay_bytes_max;
}

void Store::start_checkpoint() {
    events_.on_checkpoint(*state_);
    state_->freeze();
    files_.cover_replaced();
    is_checkpointing_ = true;
    std::vector<SealJob> seals;
    for (const auto sequence : unsealed_.due(applied_)) {
        seals.push_back(index_->begin_seal(sequence, unsealed_.find(sequence).value()));
    }
    background_.start([this, seals = std::move(seals), upto = applied_]() -> Background::Ending {
        KeyValueBatch batch;
        for (const auto& seal : seals) {
            seal.add_to(batch);
        }
        state_->add_frozen_to(batch);
        mark_checkpoint(
            batch, upto, seals.empty() ? std::nullopt : std::optional(seals.back().segment));
        auto written = rows_->write(std::move(batch), Durability::now);
        return [this, seals, upto, written] { end_checkpoint(written, upto, seals); };
    });
}

void Store::end_checkpoint(const Result<void>& written,
                           CommitSequence upto,
                           const std::vector<SealJob>& seals) {
    is_checkpointing_ = false;
    if (!written) {
        log_error("storage", "checkpoint failed and will be tried again: " + written.error().text);
        state_->unfreeze();
        return;
    }
    state_->thaw();
    files_.settle_replaced();
    checkpointed_ = upto;
    for (const auto& seal : seals) {
        if (const auto ended = index_->end_seal(seal); !ended) {
            log_error("storage", ended.error().text);
        }
        unsealed_.forget(seal.segment);
        sealed_upto_ = seal.segment;
    }
}

void Store::tick() {
    background_.run_endings();
    frames_.rest();
    scanner_.rest();
    space_.look();
    if (!is_checkpointing_ && !writer_.is_poisoned()) {
        mover_.step(*rows_, sealed_upto_, writer_.last_durable());
    }
    recycler_.step(*index_, *rows_);
    rewriter_.step(*index_, *rows_);
    scrubber_.tick();
    if (is_checkpoint_due()) {
        start_checkpoint();
    }
    background_.run_endings();
}

Result<void> Store::checkpoint() {
    MILLRACE_TRY(sync());
    background_.finish();
    start_checkpoint();
    background_.finish();
    if (checkpointed_ != applied_) {
        return fail(Errc::io, "the checkpoint could not be written");
    }
    return ok();
}

StoreStats Store::stats() const {
    return {.segments = files_.segments().size(),
            .segments_free = files_.free_count(),
            .log_bytes = files_.bytes(),
            .live_bytes = index_->live_bytes(),
            .commits = writer_.commits(),
            .syncs = writer_.commits(),
            .torn_tails_cut = torn_tails_cut_,
            .frames_quarantined = frames_quarantined_ + scrubber_.damage_found(),
            .disk_free_bytes = space_.free_bytes(),
            .out_of_space = space_.is_short(),
            .poisoned = writer_.is_poisoned(),
            .state_dump_failure = mover_.failure() ? mover_.failure()->text : std::string()};
}

}  // namespace

Result<std::unique_ptr<ShardStore>> ShardStore::open(Disk& disk,
                                                     const Clock& clock,
                                                     MetricsRegistry& metrics,
                                                     StoreOptions options,
                                                     StoreEvents& events) {
    auto store = std::make_unique<Store>(disk, clock, metrics, std::move(options), events);
    MILLRACE_TRY(store->open());
    return std::unique_ptr<ShardStore>(std::move(store));
}

}  // namespace millrace::storage
