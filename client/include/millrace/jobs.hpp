#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "millrace/admin.hpp"
#include "millrace/types.hpp"

namespace millrace {

enum class JobKind : std::uint8_t { replay = 0, redrive = 1 };
/// Running and paused jobs are open, the others are over.
enum class JobState : std::uint8_t { running = 0, paused = 1, done = 2, failed = 3, cancelled = 4 };
enum class ReplayBy : std::uint8_t { append = 0, event = 1 };

/// A window of the past, `[from_us, to_us)`, that goes out again. What stands empty does not
/// matter.
struct ReplayJob {
    std::vector<std::string> topics;  ///< names or patterns
    std::int64_t from_us = 0;
    std::int64_t to_us = INT64_MAX;
    ReplayBy by = ReplayBy::append;
    std::string where;              ///< a jq program over the record: `.value.machine == "M4"`
    std::string key;                ///< only of this key
    std::vector<Header> headers;    ///< only with all of these
    double records_per_second = 0;  ///< 0: as fast as it goes
    double time_scale = 0;  ///< the original spacing, so many times faster; 0: without. Not both
    std::string to_topic;   ///< one target: a topic,
    std::string to_subscription;  ///< or a subscription, and nobody else sees it
    bool dry_run = false;         ///< counts what it would send
};

/// Open dead letters that go out again to their own subscription.
struct RedriveJob {
    LetterQuery query;               ///< its state and limits do not matter
    std::string transform;           ///< a jq program over the letter, which gives it back changed
    std::uint64_t limit = 0;         ///< 0: all
    double records_per_second = 0;   ///< 0: as fast as they are settled
    std::uint32_t canary = 0;        ///< so many first, which must settle before the rest
    double failure_share_max = 0.2;  ///< of those settled; above it the job pauses
};

struct JobProgress {
    std::uint64_t total = 0;    ///< letters that were found; 0 for a replay
    std::uint64_t matched = 0;  ///< wanted by the filters
    std::uint64_t sent = 0;
    std::uint64_t skipped = 0;  ///< looked at and not wanted, or no longer there
    std::uint64_t settled = 0;  ///< letters that went well
    std::uint64_t failed = 0;   ///< letters that failed again
    std::uint64_t errors = 0;
    std::uint64_t bytes = 0;
    std::int64_t position_us = 0;    ///< append time that a replay has reached
    std::int64_t active_us = 0;      ///< how long it has run, without pauses
    double rate = 0;                 ///< records a second, lately
    double share = -1;               ///< 0 to 1; below 0 where nobody knows
    std::int64_t remaining_us = -1;  ///< below 0 where nobody knows
    std::string last_error;
};

struct JobDescription {
    std::uint64_t id = 0;
    JobKind kind = JobKind::replay;
    JobState state = JobState::running;
    std::string reason;  ///< why it is in this state
    std::string by;
    std::string changed_by;
    std::int64_t created_us = 0;
    std::int64_t changed_us = 0;
    ReplayJob replay;    ///< of that kind
    RedriveJob redrive;  ///< of that kind
    JobProgress progress;

    [[nodiscard]] bool is_open() const {
        return state == JobState::running || state == JobState::paused;
    }
};

/// Work that the broker does by itself, through restarts, until it is over or somebody stops it.
/// Every call waits for its answer and throws ClientError.
///
///     const auto job = client.jobs().replay({.topics = {"plant1.mes.>"},
///                                            .from_us = six, .to_us = seven,
///                                            .to_subscription = "odoo-staging"}, "ann");
///     client.jobs().pause(job.id, "ann", "night shift");
///
/// Threads:  any.
class Jobs {
  public:
    /// Starts a replay. Its records carry the headers `millrace-replay-id` (the job's id) and
    /// `millrace-origin` (topic/partition@offset). `by` is who wants it.
    JobDescription replay(const ReplayJob& job, const std::string& by);
    JobDescription redrive(const RedriveJob& job, const std::string& by);

    /// By id, those that are over too.
    [[nodiscard]] std::vector<JobDescription> list();
    [[nodiscard]] JobDescription show(std::uint64_t id);
    /// It stops within a moment and keeps its place. Errors: conflict when it does not run.
    JobDescription pause(std::uint64_t id, const std::string& by, const std::string& reason = {});
    /// Errors: conflict when it is not paused.
    JobDescription resume(std::uint64_t id, const std::string& by);
    /// Errors: conflict when it is over.
    JobDescription cancel(std::uint64_t id, const std::string& by, const std::string& reason = {});

  private:
    friend class Client;
    class Impl;
    explicit Jobs(std::shared_ptr<Impl> impl);
    std::shared_ptr<Impl> impl_;
};

}  // namespace millrace
