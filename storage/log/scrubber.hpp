#pragma once

#include <deque>
#include <functional>
#include <optional>

#include "storage/base/clock.hpp"
#include "storage/base/metrics.hpp"
#include "storage/io/background.hpp"
#include "storage/log/segment_files.hpp"

namespace millrace::storage {

/// Reads the segments that were sealed before this start, one after another on a thread of its own,
/// so that damage is named before somebody needs the records; those first that somebody doubts.
///
/// Promise:  damage is told, logged with segment and position and counted; nothing is changed: the
/// batch itself answers "corrupt" when it is read. At most `scrub_bytes_per_second`, a segment at a
/// time.
/// Threads:  the shard's.
class Scrubber {
  public:
    using OnDamage = std::function<void(SegmentSequence segment, const Error& damage)>;

    Scrubber(const StoreOptions& options,
             const Clock& clock,
             const SegmentFiles& files,
             OnDamage on_damage,
             MetricsRegistry& metrics);

    /// `used_bytes` is where the segment's last commit ends, or a little before its padding does.
    void add(const Segment& segment, std::uint64_t used_bytes);
    /// Out of turn. `used_bytes`: what of it is durable, where it is still written to.
    void check(const Segment& segment, std::uint64_t used_bytes);
    /// Takes up what was found and begins with the next segment when it is time.
    void tick();
    [[nodiscard]] std::uint64_t damage_found() const { return damage_found_; }

  private:
    struct Task {
        SegmentSequence sequence;
        std::uint32_t generation = 0;
        std::uint64_t used_bytes = 0;
        bool is_doubted = false;
        bool operator==(const Task&) const = default;
    };
    struct Outcome {
        std::uint64_t damaged = 0;
        std::optional<Error> error;
    };
    [[nodiscard]] std::optional<Task> next_task(SteadyTime now);
    [[nodiscard]] static Outcome scrub(const Segment& segment, std::uint64_t used_bytes);
    [[nodiscard]] static Result<bool> is_header_sound(const Segment& segment);
    void end(const Task& task, const Outcome& outcome);

    const StoreOptions& options_;
    const Clock& clock_;
    const SegmentFiles& files_;
    OnDamage on_damage_;
    Counter& segments_total_;
    Counter& damage_total_;
    std::deque<Task> waiting_;
    SteadyTime next_at_{};
    bool is_reading_ = false;
    std::uint64_t damage_found_ = 0;
    Background background_{
        Background::mode_of(options_.background_inline)};  ///< last: its job reads what is above
};

}  // namespace millrace::storage
