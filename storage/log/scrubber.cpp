#include "storage/log/scrubber.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "storage/base/logging.hpp"
#include "storage/io/aligned_buffer.hpp"
#include "storage/log/recovery.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

Scrubber::Scrubber(const StoreOptions& options,
                   const Clock& clock,
                   const SegmentFiles& files,
                   OnDamage on_damage,
                   MetricsRegistry& metrics)
    : options_(options),
      clock_(clock),
      files_(files),
      on_damage_(std::move(on_damage)),
      segments_total_(metrics.counter("millrace_storage_segments_scrubbed_total",
                                      "Sealed segments read through since the start.",
                                      shard_label(options.shard))),
      damage_total_(metrics.counter("millrace_storage_damage_found_total",
                                    "Places in sealed segments that do not verify.",
                                    shard_label(options.shard))) {}

void Scrubber::add(const Segment& segment, std::uint64_t used_bytes) {
    waiting_.push_back({.sequence = segment.header.sequence,
                        .generation = segment.generation,
                        .used_bytes = used_bytes});
}

void Scrubber::check(const Segment& segment, std::uint64_t used_bytes) {
    const Task task{.sequence = segment.header.sequence,
                    .generation = segment.generation,
                    .used_bytes = used_bytes,
                    .is_doubted = true};
    if (std::ranges::find(waiting_, task) == waiting_.end()) {
        waiting_.push_front(task);
    }
}

/// What is doubted is read at once, the others in their time.
std::optional<Scrubber::Task> Scrubber::next_task(SteadyTime now) {
    const bool may_read =
        waiting_.front().is_doubted || (now >= next_at_ && options_.scrub_bytes_per_second > 0);
    if (!may_read) {
        return std::nullopt;
    }
    const auto task = waiting_.front();
    waiting_.pop_front();
    return task;
}

void Scrubber::tick() {
    background_.run_endings();
    if (is_reading_) {
        return;
    }
    if (waiting_.empty()) {
        background_.rest();
        return;
    }
    const auto now = clock_.steady_now();
    const auto task = next_task(now);
    if (!task) {
        return;
    }
    const auto* const segment = files_.find(task->sequence);
    if (segment == nullptr || segment->generation != task->generation) {
        return;  // recycled or rewritten meanwhile
    }
    if (!task->is_doubted) {
        next_at_ = now + Duration(task->used_bytes * 1'000'000 / options_.scrub_bytes_per_second);
    }
    is_reading_ = true;
    background_.start([this, segment = *segment, task = *task]() -> Background::Ending {
        const auto outcome = scrub(segment, task.used_bytes);
        return [this, task, outcome] { end(task, outcome); };
    });
    background_.run_endings();
}

Result<bool> Scrubber::is_header_sound(const Segment& segment) {
    AlignedBuffer head(disk_alignment);
    MILLRACE_TRY(const auto bytes, segment.file->read_now(Position{0}, head.span()));
    const auto header = parse_segment_header(head.span().first(bytes));
    return header && header.value().hash_seed == segment.header.hash_seed;
}

Scrubber::Outcome Scrubber::scrub(const Segment& segment, std::uint64_t used_bytes) {
    const auto sound = is_header_sound(segment);
    if (!sound) {
        return {.damaged = 0, .error = sound.error()};
    }
    if (!sound.value()) {
        report_damage(segment.header.sequence, 0, "its header does not verify");
    }
    // Nothing of what is used in a sealed segment was in flight, so whatever follows damage proves
    // it; what lies behind may be a tail that recovery cut.
    const auto scan = scan_segment(
        segment,
        {.after = {}, .commits_in_flight_max = 0, .following = nullptr, .used_bytes = used_bytes},
        [](const FrameView&, FramePlace) {});
    if (!scan) {
        return {.damaged = 0, .error = scan.error()};
    }
    const auto& found = scan.value();
    const bool ends_early = found.used_bytes < used_bytes;
    if (ends_early) {
        report_damage(segment.header.sequence, found.used_bytes, "its end does not verify");
    }
    return {.damaged = found.quarantined + (ends_early ? 1U : 0U) + (sound.value() ? 0U : 1U),
            .error = std::nullopt};
}

void Scrubber::end(const Task& task, const Outcome& outcome) {
    is_reading_ = false;
    segments_total_.add();
    if (outcome.error) {
        log_error("storage", "a sealed segment could not be read: " + outcome.error->text);
        damage_total_.add();
        ++damage_found_;
        if (task.is_doubted) {
            on_damage_(task.sequence, *outcome.error);  // for the second time
        } else if (const auto* const segment = files_.find(task.sequence)) {
            check(*segment, task.used_bytes);
        }
        return;
    }
    damage_total_.add(outcome.damaged);
    damage_found_ += outcome.damaged;
    if (outcome.damaged > 0) {
        on_damage_(task.sequence,
                   fail(Errc::corrupt,
                        "segment " + std::to_string(task.sequence.value) + " does not verify"));
    }
}

}  // namespace millrace::storage
