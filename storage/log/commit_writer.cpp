#include "storage/log/commit_writer.hpp"

#include <algorithm>
#include <cstring>
#include <system_error>

#include "storage/base/assert.hpp"

namespace millrace::storage {
namespace {

/// A buffer with less room than this is left as it is: many small commits would come out.
constexpr std::size_t room_min = 256_KiB;

}  // namespace

CommitWriter::CommitWriter(const StoreOptions& options,
                           const Clock& clock,
                           Disk& disk,
                           SegmentFiles& files,
                           MetricsRegistry& metrics)
    : options_(options),
      clock_(clock),
      disk_(disk),
      files_(files),
      write_latency_us_(
          metrics.histogram("millrace_storage_commit_latency_us",
                            "Microseconds from the write of a commit to its completion on disk.",
                            shard_label(options.shard))),
      commit_bytes_(metrics.histogram("millrace_storage_commit_bytes",
                                      "Bytes of a commit with its padding.",
                                      shard_label(options.shard))),
      commits_total_(metrics.counter("millrace_storage_commits_total",
                                     "Commits made durable, each by one synchronous write.",
                                     shard_label(options.shard))) {}

Result<void> CommitWriter::open(CommitSequence next, std::uint64_t epoch) {
    next_ = next;
    last_durable_ = next - 1;
    epoch_ = epoch;
    MILLRACE_TRY(segment_, files_.take_next());
    position_ = disk_alignment;
    durable_end_ = {.segment = active_segment(), .position = Position{position_}};
    files_.prepare_next();
    return ok();
}

Result<void> CommitWriter::roll() {
    const auto finished = segment_->header.sequence;
    MILLRACE_TRY(const auto* const taken, files_.take_next());
    segment_ = taken;
    position_ = disk_alignment;
    files_.prepare_next();
    events_.on_rolled(finished, next_ - 1);
    return ok();
}

void CommitWriter::add_buffer() {
    auto buffer = std::make_shared<Buffer>();
    // The oldest buffer is written again once nobody needs it: the tail stays bounded without
    // allocation.
    if (tail_bytes_ + options_.commit_bytes_max > options_.tail_cache_bytes_max &&
        buffers_.size() > 1 && buffers_.front().use_count() == 1) {
        buffer->memory = std::move(buffers_.front()->memory);
        buffers_.pop_front();
    } else {
        buffer->memory = DiskBuffer(disk_, options_.commit_bytes_max);
        tail_bytes_ += options_.commit_bytes_max;
    }
    buffer->segment = segment_->header.sequence;
    buffer->base = position_;
    buffers_.push_back(std::move(buffer));
}

std::size_t CommitWriter::room() const {
    const auto& buffer = *gathering_->buffer;
    const auto in_buffer = buffer.memory.size() - gathering_->begin;
    const auto in_segment = segment_->file_bytes - (buffer.base + gathering_->begin);
    return std::min(in_buffer, in_segment) - gathered_;
}

Result<void> CommitWriter::begin_commit(std::size_t frame_bytes) {
    const auto needed = CommitHeader::bytes + frame_bytes;
    if (position_ + std::max(needed, disk_alignment) > segment_->file_bytes) {
        MILLRACE_TRY(roll());
    }
    const auto fits = [&] {
        const auto& last = *buffers_.back();
        const auto rest = last.memory.size() - last.used;
        return last.segment == segment_->header.sequence && last.base + last.used == position_ &&
               rest >= std::max(needed, room_min);
    };
    if (buffers_.empty() || !fits()) {
        add_buffer();
    }
    auto& buffer = buffers_.back();
    gathering_ = Commit{.buffer = buffer, .file = segment_->file, .begin = buffer->used};
    gathering_->header = {.sequence = next_, .writer_epoch = static_cast<std::uint32_t>(epoch_)};
    gathering_->header.first_time_us = clock_.unix_now();
    gathered_ = CommitHeader::bytes;
    ++next_;
    return ok();
}

Result<FramePlace> CommitWriter::append(const FrameView& frame) {
    if (poison_) {
        return fail(Errc::poisoned, poison_->text, poison_->os_error);
    }
    const auto bytes = frame_bytes(frame.payload.size());
    if (bytes + CommitHeader::bytes > options_.commit_bytes_max) {
        return fail(Errc::frame_too_large,
                    "an entry of " + std::to_string(frame.payload.size()) +
                        " bytes does not fit into a commit");
    }
    if (backlog_bytes_ > options_.commit_backlog_bytes_max) {
        return fail(Errc::limit_reached,
                    "limit commit_backlog_bytes_max: the disk does not keep up");
    }
    if (is_gathering() && room() < bytes) {
        finish_commit();
    }
    if (!is_gathering()) {
        MILLRACE_TRY(begin_commit(bytes));
    }
    auto& commit = *gathering_;
    const auto out = commit.buffer->memory.span().subspan(commit.begin + gathered_, bytes);
    std::memset(out.data(), 0, frame_header_bytes);
    std::memset(out.data() + frame_header_bytes + frame.payload.size(),
                0,
                bytes - frame_header_bytes - frame.payload.size());
    store_frame(out, frame, seed_of(segment_->header.hash_seed, commit.header.sequence));
    const FramePlace place{.segment = segment_->header.sequence,
                           .position = Position{commit.buffer->base + commit.begin + gathered_},
                           .commit = commit.header.sequence};
    gathered_ += bytes;
    ++commit.header.frame_count;
    return place;
}

void CommitWriter::finish_commit() {
    auto commit = std::make_shared<Commit>(std::move(*gathering_));
    gathering_.reset();
    commit->bytes = align_up(gathered_, disk_alignment);
    commit->header.total_bytes = static_cast<std::uint32_t>(commit->bytes);
    commit->header.last_time_us = clock_.unix_now();
    const auto out = commit->buffer->memory.span().subspan(commit->begin, commit->bytes);
    std::memset(out.data() + gathered_, 0, commit->bytes - gathered_);
    store_commit_header(out, commit->header, segment_->header.hash_seed);
    commit->buffer->used = commit->begin + commit->bytes;
    position_ += commit->bytes;
    backlog_bytes_ += commit->bytes;
    waiting_.push_back(std::move(commit));
}

void CommitWriter::issue_waiting() {
    while (!poison_ && !waiting_.empty() && in_flight_.size() < options_.commits_in_flight_max) {
        auto commit = waiting_.front();
        // Once a segment: so that one that has begun proves to recovery that all before it is
        // whole.
        if (!in_flight_.empty() && in_flight_.front()->buffer->segment != commit->buffer->segment) {
            return;
        }
        waiting_.pop_front();
        in_flight_.push_back(commit);
        commit->issued = clock_.steady_now();
        const auto bytes = commit->buffer->memory.span().subspan(commit->begin, commit->bytes);
        commit->file->write_durable(
            Position{commit->buffer->base + commit->begin},
            bytes,
            [this, commit](std::int32_t result) { complete(*commit, result); });
    }
}

void CommitWriter::submit() {
    // While enough is in flight, gathering goes on: the next completion sends it.
    if (is_gathering() && waiting_.empty() && in_flight_.size() < options_.commits_in_flight_max &&
        !poison_) {
        finish_commit();
    }
    issue_waiting();
}

void CommitWriter::complete(Commit& commit, std::int32_t result) {
    if (poison_) {
        return;
    }
    if (result != static_cast<std::int32_t>(commit.bytes)) {
        const int code = result < 0 ? -result : 0;
        poison(fail(Errc::io,
                    "segment " + std::to_string(commit.buffer->segment.value) + ", position " +
                        std::to_string(commit.buffer->base + commit.begin) + ": durable write of " +
                        std::to_string(commit.bytes) + " bytes failed: " +
                        (code != 0 ? std::generic_category().message(code) : "short write"),
                    code));
        return;
    }
    commit.is_done = true;
    write_latency_us_.observe(
        static_cast<std::uint64_t>((clock_.steady_now() - commit.issued).count()));
    commit_bytes_.observe(commit.bytes);
    while (!in_flight_.empty() && in_flight_.front()->is_done) {
        const auto first = in_flight_.front();
        in_flight_.pop_front();
        backlog_bytes_ -= first->bytes;
        last_durable_ = first->header.sequence;
        durable_end_ = {.segment = first->buffer->segment,
                        .position = Position{first->buffer->base + first->begin + first->bytes}};
        ++commit_count_;
        commits_total_.add();
        events_.on_durable(last_durable_);
    }
    submit();
}

void CommitWriter::poison(const Error& error) {
    poison_ = error;
    waiting_.clear();
    events_.on_failed(error);
}

void CommitWriter::forget_tail(SegmentSequence segment) {
    tail_bytes_ -= options_.commit_bytes_max *
                   std::erase_if(buffers_, [segment](const std::shared_ptr<Buffer>& buffer) {
                       return buffer->segment == segment;
                   });
}

bool CommitWriter::copy_from_tail(SegmentSequence segment,
                                  Position at,
                                  std::span<std::byte> out) const {
    for (auto buffer = buffers_.rbegin(); buffer != buffers_.rend(); ++buffer) {
        const auto& candidate = **buffer;
        if (candidate.segment == segment && at.value >= candidate.base &&
            at.value + out.size() <= candidate.base + candidate.used) {
            std::memcpy(
                out.data(), &candidate.memory.span()[at.value - candidate.base], out.size());
            return true;
        }
    }
    return false;
}

}  // namespace millrace::storage
