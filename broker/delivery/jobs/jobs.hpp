#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "broker/delivery/letters/letters.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::delivery {

enum class JobKind : std::uint8_t { replay = 0, redrive = 1 };
/// Running and paused jobs are open; the others are over and stay to be looked at.
enum class JobState : std::uint8_t { running = 0, paused = 1, done = 2, failed = 3, cancelled = 4 };
[[nodiscard]] std::string_view name_of(JobKind kind) noexcept;
[[nodiscard]] std::string_view name_of(JobState state) noexcept;
[[nodiscard]] inline bool is_open(JobState state) noexcept {
    return state == JobState::running || state == JobState::paused;
}

enum class ReplayBy : std::uint8_t { append = 0, event = 1 };

/// Which records go where, and how fast. What stands empty does not matter.
struct ReplaySpec {
    std::vector<std::string> topics;  ///< names or patterns
    UnixMicros from_us = 0;           ///< the window is [from, to)
    UnixMicros to_us = 0;
    ReplayBy by = ReplayBy::append;
    std::string where;  ///< a jq program over the document that the filter of a subscription sees
    std::string key;
    std::vector<std::pair<std::string, std::string>> headers;
    double records_per_second = 0;  ///< 0: as fast as it goes
    double time_scale = 0;          ///< original spacing, so many times faster; 0: without
    std::string to_topic;
    std::string to_subscription;
    bool is_dry_run = false;  ///< counts and sends nothing
};

/// Which letters go out again, and when to stop.
struct RedriveSpec {
    LetterQuery query;
    std::string transform;           ///< a jq program over `letter_document`
    std::uint64_t limit = 0;         ///< 0: all
    double records_per_second = 0;   ///< 0: as fast as they are settled
    std::uint32_t canary = 0;        ///< so many first, which must settle before the rest
    double failure_share_max = 0.2;  ///< of those settled; above: the job pauses
};

/// Where a replay goes on in the log of a shard.
struct ReplayCursor {
    std::uint64_t segment = 0;  ///< start of the part of the log that was read last
    std::uint64_t position = 0;
    bool has_last = false;  ///< the last record of that part that is done with
    std::uint32_t last_partition = 0;
    std::uint64_t last_offset = 0;
    bool is_done = false;
};

struct JobProgress {
    std::uint64_t total = 0;    ///< letters that were found; 0 where nobody knows
    std::uint64_t matched = 0;  ///< wanted by the filters
    std::uint64_t sent = 0;
    std::uint64_t skipped = 0;  ///< looked at and not wanted, or no longer there
    std::uint64_t settled = 0;  ///< letters: resolved
    std::uint64_t failed = 0;   ///< letters: came back
    std::uint64_t errors = 0;   ///< could not be sent, or had to be tried again
    std::uint64_t bytes = 0;
    UnixMicros first_us = 0;     ///< append time of the first that was wanted
    UnixMicros position_us = 0;  ///< append time that was reached
    std::int64_t active_us = 0;  ///< how long it has run, without pauses
    double rate = 0;             ///< records a second, lately
    std::string last_error;
    std::vector<ReplayCursor> cursors;  ///< by shard
};

/// Work that goes on by itself, through restarts, until it is over or somebody stops it.
struct Job {
    std::uint64_t id = 0;
    JobKind kind = JobKind::replay;
    JobState state = JobState::running;
    std::string reason;  ///< why it is in this state
    std::string by;      ///< who wanted it
    std::string changed_by;
    UnixMicros created_us = 0;
    UnixMicros changed_us = 0;  ///< of state
    ReplaySpec replay;
    RedriveSpec redrive;
    JobProgress progress;
};

/// A wish to bring a job into a state, by a person or by whoever runs it.
struct JobChange {
    JobState state = JobState::running;
    std::string reason;
    std::string by;
    UnixMicros time_us = 0;
};

/// What happens to a job. Fields that are not set leave it as it is.
struct JobCommand {
    std::uint64_t id = 0;
    std::optional<Job> created;
    std::optional<JobProgress> progress;
    std::optional<JobChange> change;
};

/// Throws what the library throws for a wrong shape; `parse_command` is the adapter.
[[nodiscard]] nlohmann::json to_json(const JobCommand& command);
[[nodiscard]] JobCommand job_command_from(const nlohmann::json& json);

/// Whether a job may go from one state to another.
[[nodiscard]] bool may_change(JobState from, JobState to) noexcept;

using JobDone = std::function<void(Result<Job>)>;

/// The jobs of the cluster, on shard 0.
///
/// Promise:  what was answered survives a crash. Whoever runs jobs learns every change.
/// Threads:  shard 0's.
class Jobs {
  public:
    Jobs() = default;
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;
    Jobs(Jobs&&) = delete;
    Jobs& operator=(Jobs&&) = delete;
    virtual ~Jobs() = default;

    /// By id.
    [[nodiscard]] virtual std::vector<Job> list() const = 0;
    /// Errors: not_found.
    [[nodiscard]] virtual Result<Job> show(std::uint64_t id) const = 0;
    /// Takes kind, specs and `by`. Errors: invalid_argument for what no job could do, unknown_topic
    /// or unknown_subscription for its target, limit_reached (jobs_open_max).
    virtual void create(Job job, JobDone done) = 0;
    /// Errors: not_found, conflict where the job's state does not allow it.
    virtual void change(std::uint64_t id, JobChange change, JobDone done) = 0;
    /// How far a job has come.
    virtual void commit(std::uint64_t id,
                        JobProgress progress,
                        std::function<void(Result<void>)> done) = 0;
    /// Calls with every job that is there, and then with each that changes its state.
    virtual void watch(std::function<void(const Job& job)> listener) = 0;
};

}  // namespace millrace::broker::delivery
