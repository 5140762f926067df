#pragma once

#include <algorithm>
#include <string>

#include "broker/delivery/jobs/jobs.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::delivery {

/// How a job ends on its thread. `running`: it was told to stop and goes on later.
struct JobEnd {
    JobState state = JobState::running;
    std::string reason;
};

/// What a job knows of the world beside the shards. Tests put their own in its place.
///
/// Threads:  the job's.
class JobControl {
  public:
    JobControl() = default;
    JobControl(const JobControl&) = delete;
    JobControl& operator=(const JobControl&) = delete;
    JobControl(JobControl&&) = delete;
    JobControl& operator=(JobControl&&) = delete;
    virtual ~JobControl() = default;

    [[nodiscard]] virtual const Clock& clock() const = 0;
    /// The node stops, or somebody pauses or cancels the job.
    [[nodiscard]] virtual bool must_stop() const = 0;
    /// Waits, and returns early with false when the job must stop.
    [[nodiscard]] virtual bool wait(Duration time) = 0;
    /// Before so many bytes are read: waits for their share of the read budget, which all jobs
    /// divide. False when the job must stop.
    [[nodiscard]] virtual bool wait_for_budget(std::size_t bytes) = 0;
    /// Makes progress durable, again and again where that fails for a moment; the control adds time
    /// and rate.
    [[nodiscard]] virtual Result<void> commit(JobProgress& progress) = 0;
    /// Shows the errors of `progress` beside what was committed last.
    virtual void note(const JobProgress& progress) = 0;
};

/// Calls `attempt` until it gives something else than a failure that may pass, with growing pauses
/// in between, counted in `progress`. Errors: those that stay, and cancelled when the job must
/// stop.
template <class Attempt>
auto retry(JobControl& control, JobProgress& progress, Attempt attempt) -> decltype(attempt()) {
    constexpr Duration pause_min{50'000};
    constexpr Duration pause_max{5'000'000};
    for (auto pause = pause_min;; pause = std::min(2 * pause, pause_max)) {
        auto outcome = attempt();
        if (outcome || !is_retryable(outcome.error().code)) {
            return outcome;
        }
        ++progress.errors;
        progress.last_error = outcome.error().text;
        control.note(progress);
        if (!control.wait(pause)) {
            return fail(Errc::cancelled, "the job was told to stop");
        }
    }
}

/// The end of a job that met an error: told to stop, or failed.
[[nodiscard]] inline JobEnd end_of(const Error& error) {
    return error.code == Errc::cancelled ? JobEnd{}
                                         : JobEnd{.state = JobState::failed, .reason = error.text};
}

}  // namespace millrace::broker::delivery
