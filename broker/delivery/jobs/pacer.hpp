#pragma once

#include <optional>

#include "storage/base/clock.hpp"

namespace millrace::broker::delivery {

/// Says when the next record may go.
///
/// Promise:  with a rate, records leave evenly; what was missed while the job could not send is not
/// made up for beyond a moment. With a scale, the first record goes at once and the others keep
/// their distance to it, so many times shorter. Threads: one.
class Pacer {
  public:
    struct Speed {
        double records_per_second = 0;
        double time_scale = 0;
    };
    Pacer(Speed speed, const Clock& clock) : speed_(speed), clock_(clock) {}

    /// How long the next record, which was appended at `append_time_us`, has to wait.
    [[nodiscard]] Duration wait_of(UnixMicros append_time_us);
    /// It went.
    void count();

  private:
    Speed speed_;
    const Clock& clock_;
    std::optional<SteadyTime> next_;  ///< with a rate
    std::optional<SteadyTime> first_;
    UnixMicros first_append_us_ = 0;
};

}  // namespace millrace::broker::delivery
