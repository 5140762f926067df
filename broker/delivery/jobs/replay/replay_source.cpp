#include "broker/delivery/jobs/replay/replay_source.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "client/wire/record_batch.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {

ReplaySource::ReplaySource(JobShards& shards,
                           JobControl& control,
                           const Job& job,
                           RecordFilter filter)
    : shards_(&shards),
      control_(&control),
      topics_(job.replay.topics),
      filter_(std::move(filter)),
      by_shard_(shards.shard_count()) {
    constexpr auto never = std::numeric_limits<UnixMicros>::max();
    const auto& spec = job.replay;
    // Nothing that was appended after the job began, or a replay could meet its own records.
    window_ = spec.by == ReplayBy::append
                  ? Window{.append_from_us = spec.from_us,
                           .append_to_us = std::min(spec.to_us, job.created_us),
                           .event_from_us = std::numeric_limits<UnixMicros>::min(),
                           .event_to_us = never}
                  : Window{.append_from_us = 0,
                           .append_to_us = job.created_us,
                           .event_from_us = spec.from_us,
                           .event_to_us = spec.to_us};
    const auto& cursors = job.progress.cursors;
    for (std::size_t i = 0; i < std::min(cursors.size(), by_shard_.size()); ++i) {
        by_shard_[i].cursor = cursors[i];
        by_shard_[i].must_skip = cursors[i].has_last;
    }
}

Result<ReplaySource> ReplaySource::make(JobShards& shards, JobControl& control, const Job& job) {
    MILLRACE_TRY(auto filter, RecordFilter::make(job.replay));
    return ReplaySource(shards, control, job, std::move(filter));
}

Result<void> ReplaySource::learn_topics() {
    MILLRACE_TRY(auto view, shards_->catalog());
    if (std::exchange(catalog_, view) == view) {
        return ok();
    }
    wanted_.clear();
    for (const auto& topic : view->matching(topics_)) {
        for (std::uint32_t i = 0; i < topic->partitions.size(); ++i) {
            wanted_[topic->partitions[i].id] = {.topic = topic->name, .partition_index = i};
        }
    }
    return ok();
}

Result<void> ReplaySource::load_page(ShardId id, Shard& shard, JobProgress& progress) {
    if (!control_->wait_for_budget(page_bytes)) {
        return fail(Errc::cancelled, "the job was told to stop");
    }
    MILLRACE_TRY(learn_topics());
    const bool is_first = !shard.has_page && shard.cursor.segment == 0;
    storage::ScanCursor from =
        shard.has_page ? shard.next_page
                       : storage::ScanCursor{.segment = SegmentSequence{shard.cursor.segment},
                                             .position = Position{shard.cursor.position}};
    if (is_first) {
        MILLRACE_TRY(from, retry(*control_, progress, [&] {
                         return shards_->scan_start(id, window_.append_from_us);
                     }));
    }
    MILLRACE_TRY(auto page,
                 retry(*control_, progress, [&] { return shards_->scan(id, from, page_bytes); }));
    const auto first = load_batch_header(page.runs);
    const bool is_past = first && first->append_time_us >= window_.append_to_us;
    shard.runs = std::move(page.runs);
    shard.runs_at = 0;
    shard.next_page = page.next;
    shard.has_page = true;
    const auto last = shard.cursor;
    shard.cursor = {.segment = from.segment.value,
                    .position = from.position.value,
                    .is_done = (page.at_end && shard.runs.empty()) || is_past};
    if (shard.must_skip) {
        shard.cursor.has_last = true;
        shard.cursor.last_partition = last.last_partition;
        shard.cursor.last_offset = last.last_offset;
        shard.must_skip = holds_last(shard);
    }
    return ok();
}

bool ReplaySource::holds_last(const Shard& shard) {
    std::span<const std::byte> runs(shard.runs);
    while (const auto header = load_batch_header(runs)) {
        const Offset last{shard.cursor.last_offset};
        if (header->partition.value == shard.cursor.last_partition && header->base_offset <= last &&
            last <= header->last_offset()) {
            return true;
        }
        runs = runs.subspan(header->run_bytes());
    }
    return false;
}

void ReplaySource::take_view(Shard& shard,
                             const BatchHeader& header,
                             const wire::RecordView& view,
                             Offset offset) {
    if (view.event_time_us < window_.event_from_us || view.event_time_us >= window_.event_to_us) {
        return;
    }
    auto origin = wanted_.at(header.partition);
    origin.offset = offset;
    origin.append_time_us = header.append_time_us;
    if (!filter_.wants(view, origin)) {
        ++shard.skipped;
        return;
    }
    shard.records.push_back({.origin = std::move(origin),
                             .record = wire::format_plain_record(view),
                             .skipped_before = std::exchange(shard.skipped, 0)});
    shard.partitions.push_back(header.partition.value);
}

void ReplaySource::take_batch(Shard& shard, const BatchHeader& header, JobProgress& progress) {
    const auto batch = std::span<const std::byte>(shard.runs)
                           .subspan(shard.runs_at + BatchHeader::bytes, header.batch_bytes);
    shard.runs_at += header.run_bytes();
    shard.reached_us = header.append_time_us;
    const Offset last{shard.cursor.last_offset};
    const bool holds = shard.must_skip && header.partition.value == shard.cursor.last_partition &&
                       header.base_offset <= last && last <= header.last_offset();
    if (shard.must_skip && !holds) {
        return;
    }
    shard.must_skip = false;
    const bool is_inside = header.append_time_us >= window_.append_from_us &&
                           header.append_time_us < window_.append_to_us;
    if (!is_inside || !wanted_.contains(header.partition)) {
        return;
    }
    const auto visited =
        wire::visit_records(batch, [&](std::uint32_t number, const wire::RecordView& view) {
            const auto offset = header.base_offset + number;
            if (!holds || offset > last) {
                take_view(shard, header, view, offset);
            }
            return true;
        });
    if (!visited) {
        ++progress.errors;
        progress.last_error = "partition " + std::to_string(header.partition.value) + ", offset " +
                              std::to_string(header.base_offset.value) + ": " +
                              visited.error().text;
    }
}

std::optional<BatchHeader> ReplaySource::next_header(const Shard& shard) {
    return load_batch_header(std::span<const std::byte>(shard.runs).subspan(shard.runs_at));
}

Result<bool> ReplaySource::fill(ShardId id, JobProgress& progress) {
    auto& shard = by_shard_[id.value];
    if (control_->must_stop()) {
        return fail(Errc::cancelled, "the job was told to stop");
    }
    const auto take_batches = [&] {
        for (auto header = next_header(shard); header && shard.records.empty();
             header = next_header(shard)) {
            take_batch(shard, *header, progress);
        }
    };
    take_batches();
    if (shard.records.empty()) {
        // The part that was read last is over, so its cursor moves behind these, too.
        progress.skipped += std::exchange(shard.skipped, 0);
    }
    if (shard.records.empty() && !shard.cursor.is_done) {
        MILLRACE_TRY(load_page(id, shard, progress));
        take_batches();
    }
    return !shard.records.empty() || shard.cursor.is_done;
}

Result<ReplaySource::Step> ReplaySource::peek(JobProgress& progress) {
    first_.reset();
    bool is_known = true;
    for (std::size_t i = 0; i < by_shard_.size(); ++i) {
        MILLRACE_TRY(const bool is_filled, fill(ShardId{static_cast<std::uint32_t>(i)}, progress));
        is_known &= is_filled;
        if (by_shard_[i].records.empty()) {
            continue;
        }
        const auto time_of = [this](std::size_t shard) {
            return by_shard_[shard].records.front().origin.append_time_us;
        };
        if (!first_ || time_of(i) < time_of(*first_)) {
            first_ = i;
        }
    }
    if (!is_known) {
        first_.reset();
        return Step{};
    }
    return Step{.record = first_ ? &by_shard_[*first_].records.front() : nullptr,
                .is_end = !first_.has_value()};
}

ReplayRecord ReplaySource::take(JobProgress& progress) {
    auto& shard = by_shard_[*first_];
    auto record = std::move(shard.records.front());
    progress.skipped += record.skipped_before;
    shard.cursor.has_last = true;
    shard.cursor.last_partition = shard.partitions.front();
    shard.cursor.last_offset = record.origin.offset.value;
    shard.records.pop_front();
    shard.partitions.pop_front();
    first_.reset();
    return record;
}

std::vector<ReplayCursor> ReplaySource::cursors() const {
    std::vector<ReplayCursor> all;
    for (const auto& shard : by_shard_) {
        all.push_back(shard.cursor);
    }
    return all;
}

UnixMicros ReplaySource::position_us() const {
    auto position = window_.append_to_us;
    for (const auto& shard : by_shard_) {
        const bool is_over = shard.cursor.is_done && shard.records.empty();
        if (!is_over) {
            position = std::min(position, shard.reached_us);
        }
    }
    return position;
}

}  // namespace millrace::broker::delivery
