#include "storage/log/scrubber.hpp"

#include "storage/base/logging.hpp"
#include "storage/log/recovery.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

Scrubber::Scrubber(const StoreOptions& options,
                   const Clock& clock,
                   const SegmentFiles& files,
                   MetricsRegistry& metrics)
    : options_(options),
      clock_(clock),
      files_(files),
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

void Scrubber::tick() {
    if (background_) {
        background_->run_endings();
    }
    if (is_reading_) {
        return;
    }
    if (waiting_.empty()) {
        background_.reset();  // the thread is not needed any more
        return;
    }
    const auto now = clock_.steady_now();
    if (now < next_at_ || options_.scrub_bytes_per_second == 0) {
        return;
    }
    const auto task = waiting_.front();
    waiting_.pop_front();
    const auto* const segment = files_.find(task.sequence);
    if (segment == nullptr || segment->generation != task.generation) {
        return;  // recycled or rewritten meanwhile
    }
    next_at_ = now + Duration(task.used_bytes * 1'000'000 / options_.scrub_bytes_per_second);
    is_reading_ = true;
    if (!background_) {
        background_.emplace(options_.background_inline ? Background::Mode::inline_in_owner
                                                       : Background::Mode::thread);
    }
    background_->start([this, segment = *segment, task]() -> Background::Ending {
        const auto outcome = scrub(segment, task.used_bytes);
        return [this, outcome] { end(outcome); };
    });
    background_->run_endings();
}

Scrubber::Outcome Scrubber::scrub(const Segment& segment, std::uint64_t used_bytes) {
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
    return {.damaged = found.quarantined + (ends_early ? 1 : 0), .error = std::nullopt};
}

void Scrubber::end(const Outcome& outcome) {
    is_reading_ = false;
    segments_total_.add();
    if (outcome.error) {
        log_error("storage", "a sealed segment could not be read: " + outcome.error->text);
        damage_total_.add();
        ++damage_found_;
        return;
    }
    damage_total_.add(outcome.damaged);
    damage_found_ += outcome.damaged;
}

}  // namespace millrace::storage
