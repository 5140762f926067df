#include <algorithm>

#include "storage/base/logging.hpp"
#include "storage/shard_store_impl.hpp"

namespace millrace::storage {
namespace {

constexpr std::chrono::seconds damage_patience{60};

}  // namespace

Result<void> Store::open_index() {
    MILLRACE_TRY(auto opened, storage::open_index(options_));
    rows_ = std::move(opened.rows);
    is_index_empty_ = opened.is_empty;
    epoch_ = opened.marks.epoch;
    checkpointed_ = opened.marks.checkpoint;
    sealed_upto_ = opened.marks.sealed_upto;
    state_ = std::make_unique<StateMap>(*rows_);
    index_ = std::make_unique<BatchIndex>(*rows_, chunk_cache_);
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
    if (frame.kind == FrameKind::entry && frame.entry_type == entry_type_records) {
        recovered_.note(frame, place);
        if (is_applied) {
            index_batches(place, frame.payload);
        }
    } else if (frame.kind == FrameKind::truncate) {
        take_back(frame);
    }
    events_.on_recovered_frame(frame, place, in_state);
}

/// What a truncation takes out of the log does not count, whether or not it was indexed.
void Store::take_back(const FrameView& truncation) {
    for (const auto& entry : recovered_.take_from(truncation.group, truncation.index)) {
        if (const auto taken = take_back_batches(entry.place, entry.payload_bytes); !taken) {
            report_damage(entry.place.segment, entry.place.position.value, taken.error().text);
        }
    }
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
    // What can be read may still be on its way to the platter: a write that failed, or whose
    // process was killed. It is handed on now, and others may be told that this log has it.
    MILLRACE_TRY(segment.file->sync_now());
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
            files_.trim(sequence, row->used_bytes);
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
    recovered_ = {};
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

std::uint64_t Store::used_bytes_of(SegmentSequence segment) const {
    if (const auto open = unsealed_.find(segment)) {
        return open->used_bytes;
    }
    const auto* const row = index_->find_sealed(segment);
    return row == nullptr ? 0 : row->used_bytes;
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
        files_.trim(seal.segment, seal.row.used_bytes);
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
    finder_.tick();
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

void Store::check_segment(SegmentSequence segment, std::uint64_t hash_seed) {
    const auto* const found = files_.find(segment);
    if (found != nullptr && found->header.hash_seed == hash_seed) {
        scrubber_.check(*found, segment_reader_.durable_bytes(segment));
    }
}

void Store::suspect(SegmentSequence segment) {
    if (const auto* const found = files_.find(segment)) {
        check_segment(segment, found->header.hash_seed);
    }
}

void Store::take_damage(SegmentSequence segment, const Error& damage) {
    if (repairs_.add(segment)) {
        events_.on_damage(damage);
    }
}

void Store::note_damaged(const std::vector<SegmentSequence>& segments) {
    for (const auto segment : segments) {
        if (files_.find(segment) != nullptr && repairs_.add(segment)) {
            events_.on_damage(fail(Errc::corrupt,
                                   "segment " + std::to_string(segment.value) +
                                       " does not verify, as was found before"));
        }
    }
}

Result<std::shared_ptr<const RepairTask>> Store::begin_repair() {
    for (const auto sequence : repairs_.segments()) {
        const auto* const segment = files_.find(sequence);
        if (segment == nullptr) {
            repairs_.drop(sequence);  // recycled meanwhile
            continue;
        }
        const auto* const row = index_->find_sealed(sequence);
        if (row == nullptr || !repairs_.is_open(sequence)) {
            return fail(Errc::corrupt,
                        "segment " + std::to_string(sequence.value) +
                            (row == nullptr ? " is damaged and not sealed yet"
                                            : " is damaged and can't be repaired"));
        }
        return std::make_shared<const RepairTask>(RepairTask{
            .segment = *segment, .used_bytes = row->used_bytes, .directory = files_.directory()});
    }
    events_.on_repaired();
    return std::shared_ptr<const RepairTask>();
}

void Store::end_repair(const RepairTask& task, const Result<RepairOutcome>& outcome) {
    const auto sequence = task.segment.header.sequence;
    const auto reopened = outcome ? files_.reopen(sequence) : ok();
    repairs_.end(sequence, reopened ? outcome : reopened.error());
    if (outcome) {
        damaged_since_.clear();
    }
    if (repairs_.is_empty()) {
        events_.on_repaired();
    }
}

/// Other replicas have the record whole, and one of them leads soon: nobody is to step over it
/// before there was time for that.
void Store::look_at_damage(PartitionId partition, Result<ReadResult>& result) {
    if (!result || !result.value().damage) {
        return;
    }
    auto& read = result.value();
    if (read.damaged) {
        suspect(*read.damaged);
    }
    const auto now = clock_.steady_now();
    const auto since = damaged_since_.try_emplace({partition, read.next}, now).first->second;
    if (!options_.is_replicated || now - since > damage_patience) {
        return;
    }
    if (read.runs.empty()) {
        result = fail(Errc::unavailable, read.damage->text + " on this node");
    } else {
        read.damage.reset();
    }
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
