#include "broker/delivery/jobs/replay/replay_job.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

#include "broker/catalog/replay_topic.hpp"
#include "broker/delivery/jobs/pacer.hpp"
#include "broker/delivery/jobs/replay/replay_sink.hpp"
#include "broker/delivery/jobs/replay/replay_source.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t chunk_records_max = 2'000;
constexpr std::size_t chunk_bytes_max = 1U << 20U;
constexpr Duration replay_commit_interval{1'000'000};  ///< on a stretch without records
constexpr std::uint32_t replay_partitions_max = 64;
constexpr std::chrono::hours replay_retention{24 * 7};

/// Topic and partitions for what is replayed to a subscription: as many as the widest of its topics
/// has, at least one a shard.
Result<TopicSpec> replay_topic_spec(const CatalogView& view,
                                    const std::string& subscription,
                                    std::uint32_t shard_count) {
    const auto found = view.subscriptions.find(subscription);
    if (found == view.subscriptions.end()) {
        return fail(Errc::unknown_subscription,
                    "subscription \"" + subscription + "\" does not exist");
    }
    auto count = shard_count;
    for (const auto& topic : view.matching(found->second->topics)) {
        count = std::max(count, static_cast<std::uint32_t>(topic->partitions.size()));
    }
    TopicSpec spec{.name = replay_topic_of(subscription),
                   .partition_count = std::min(count, replay_partitions_max),
                   .settings = {}};
    spec.settings.retention_ms = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::milliseconds>(replay_retention).count());
    spec.settings.criticality = Criticality::bulk;
    spec.settings.description = "what is replayed to subscription " + subscription;
    return spec;
}

class ReplayRun {
  public:
    ReplayRun(const Job& job, JobShards& shards, JobControl& control, ReplaySource source)
        : spec_(job.replay),
          control_(control),
          progress_(job.progress),
          source_(std::move(source)),
          sink_(shards, {.job = job.id, .topic = target_of(job.replay)}),
          pacer_(speed_of(job.replay), control.clock()),
          committed_(control.clock().steady_now()) {}

    /// Runs to the end of the window. Errors: cancelled when told to stop.
    Result<void> run() {
        for (;;) {
            MILLRACE_TRY(const auto step, source_.peek(progress_));
            if (step.record != nullptr) {
                MILLRACE_TRY(pass(*step.record));
                continue;
            }
            if (step.is_end || sink_.record_count() > 0 ||
                control_.clock().steady_now() - committed_ >= replay_commit_interval) {
                MILLRACE_TRY(send());
            }
            if (step.is_end) {
                return ok();
            }
        }
    }

  private:
    static std::string target_of(const ReplaySpec& spec) {
        return spec.to_subscription.empty() ? spec.to_topic : replay_topic_of(spec.to_subscription);
    }
    static Pacer::Speed speed_of(const ReplaySpec& spec) {
        return spec.is_dry_run ? Pacer::Speed{}
                               : Pacer::Speed{.records_per_second = spec.records_per_second,
                                              .time_scale = spec.time_scale};
    }

    Result<void> pass(const ReplayRecord& record) {
        for (auto left = pacer_.wait_of(record.origin.append_time_us); left > Duration{0};
             left = pacer_.wait_of(record.origin.append_time_us)) {
            // What is due goes out before the wait for what is not.
            if (sink_.record_count() > 0) {
                MILLRACE_TRY(send());
                continue;
            }
            if (!control_.wait(left)) {
                return fail(Errc::cancelled, "the job was told to stop");
            }
        }
        pacer_.count();
        ++progress_.matched;
        auto taken = source_.take(progress_);
        if (progress_.first_us == 0) {
            progress_.first_us = taken.origin.append_time_us;
        }
        if (spec_.is_dry_run) {
            progress_.bytes += taken.record.size();
            return control_.clock().steady_now() - committed_ >= replay_commit_interval
                       ? send()
                       : Result<void>(ok());
        }
        sink_.add(std::move(taken));
        const bool is_full =
            sink_.record_count() >= chunk_records_max || sink_.bytes() >= chunk_bytes_max;
        return is_full ? send() : Result<void>(ok());
    }

    /// Publishes the chunk, then commits how far the job is.
    Result<void> send() {
        const auto flushed = retry(control_, progress_, [this] { return sink_.flush(); });
        const auto sent = sink_.take_sent();
        progress_.sent += sent.records;
        progress_.bytes += sent.bytes;
        progress_.errors += sent.refused;
        if (!sent.error.empty()) {
            progress_.last_error = sent.error;
        }
        MILLRACE_TRY(flushed);
        progress_.cursors = source_.cursors();
        progress_.position_us = source_.position_us();
        committed_ = control_.clock().steady_now();
        return control_.commit(progress_);
    }

    ReplaySpec spec_;
    JobControl& control_;
    JobProgress progress_;
    ReplaySource source_;
    ReplaySink sink_;
    Pacer pacer_;
    SteadyTime committed_;
};

Result<void> replay(const Job& job, JobShards& shards, JobControl& control) {
    if (!job.replay.to_subscription.empty() && !job.replay.is_dry_run) {
        MILLRACE_TRY(const auto view, shards.catalog());
        MILLRACE_TRY(auto topic,
                     replay_topic_spec(*view, job.replay.to_subscription, shards.shard_count()));
        MILLRACE_TRY(shards.ensure_topic(std::move(topic)));
    }
    MILLRACE_TRY(auto source, ReplaySource::make(shards, control, job));
    return ReplayRun(job, shards, control, std::move(source)).run();
}

}  // namespace

JobEnd run_replay(const Job& job, JobShards& shards, JobControl& control) {
    const auto outcome = replay(job, shards, control);
    return outcome ? JobEnd{.state = JobState::done, .reason = {}} : end_of(outcome.error());
}

}  // namespace millrace::broker::delivery
