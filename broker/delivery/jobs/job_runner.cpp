#include "broker/delivery/jobs/job_runner.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "broker/delivery/jobs/redrive_job.hpp"
#include "broker/delivery/jobs/replay/replay_job.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr Duration rate_interval{1'000'000};
constexpr double second_us = 1e6;

/// A redrive counts anew when it goes on, and may find fewer.
std::uint64_t growth(std::uint64_t before, std::uint64_t now) {
    return now - std::min(before, now);
}

struct KindMetrics {
    KindMetrics(MetricsRegistry& metrics, JobKind kind)
        : records(metrics.counter("millrace_job_records_total",
                                  "Records that jobs sent.",
                                  {{"kind", std::string(name_of(kind))}})),
          bytes(metrics.counter("millrace_job_bytes_total",
                                "Bytes that jobs sent.",
                                {{"kind", std::string(name_of(kind))}})),
          errors(metrics.counter("millrace_job_errors_total",
                                 "What jobs could not send, or had to try again.",
                                 {{"kind", std::string(name_of(kind))}})) {}
    Counter& records;
    Counter& bytes;
    Counter& errors;
};

}  // namespace

struct JobRunner::Impl {
    Impl(Options given,
         JobShards& made_shards,
         JobThreads& made_threads,
         const Clock& made_clock,
         MetricsRegistry& metrics)
        : options(given),
          shards(made_shards),
          threads(made_threads),
          clock(made_clock),
          kinds{KindMetrics(metrics, JobKind::replay), KindMetrics(metrics, JobKind::redrive)},
          running(metrics.gauge("millrace_jobs_running", "Jobs that run now.")),
          waiting(metrics.gauge("millrace_jobs_waiting",
                                "Jobs that wait for others, limit jobs_running_max.")),
          failed(metrics.counter("millrace_jobs_failed_total", "Jobs that failed.")) {}

    class Run;
    /// A job in state running, from the moment it was seen so. One that is paused and resumed gets
    /// another turn, which waits until the one before has ended.
    struct Turn {
        std::uint64_t job = 0;
        std::uint64_t number = 0;
    };

    void work();
    [[nodiscard]] std::optional<Turn> take_waiting(std::unique_lock<std::mutex>& lock);
    void run_one(const Turn& turn);
    [[nodiscard]] bool must_stop(const Turn& turn) const;
    [[nodiscard]] Duration reserve(std::size_t bytes);
    void show_counts();

    Options options;
    JobShards& shards;
    JobThreads& threads;
    const Clock& clock;
    std::array<KindMetrics, 2> kinds;
    Gauge& running;
    Gauge& waiting;
    Counter& failed;
    mutable std::mutex mutex;
    std::map<std::uint64_t, std::uint64_t> wanted;  ///< the turn of each job in state running
    std::set<std::uint64_t> taken;                  ///< jobs that a thread has
    std::uint64_t last_turn = 0;
    bool is_stopping = false;
    SteadyTime budget_from{};  ///< what is read before this moment is paid for
};

/// One job on its thread.
class JobRunner::Impl::Run final : public JobControl {
  public:
    Run(Impl& runner, const Turn& turn, const Job& job)
        : runner_(runner),
          turn_(turn),
          job_(job),
          committed_(job.progress),
          begin_(runner.clock.steady_now()),
          sampled_(begin_),
          sampled_sent_(job.progress.sent) {}

    const Clock& clock() const override { return runner_.clock; }
    bool must_stop() const override {
        const std::lock_guard lock(runner_.mutex);
        return runner_.must_stop(turn_);
    }
    bool wait(Duration time) override {
        std::unique_lock lock(runner_.mutex);
        return !runner_.threads.wait(lock, time, [this] { return runner_.must_stop(turn_); });
    }
    bool wait_for_budget(std::size_t bytes) override {
        const auto time = runner_.reserve(bytes);
        return time > Duration{0} ? wait(time) : !must_stop();
    }
    Result<void> commit(JobProgress& progress) override {
        const auto now = runner_.clock.steady_now();
        progress.active_us = job_.progress.active_us + (now - begin_).count();
        if (now > sampled_ && (now - sampled_ >= rate_interval || progress.rate == 0)) {
            progress.rate = static_cast<double>(growth(sampled_sent_, progress.sent)) * second_us /
                            static_cast<double>((now - sampled_).count());
            sampled_ = now;
            sampled_sent_ = progress.sent;
        }
        auto& metrics = runner_.kinds[static_cast<std::size_t>(job_.kind)];
        metrics.records.add(growth(committed_.sent, progress.sent));
        metrics.bytes.add(growth(committed_.bytes, progress.bytes));
        metrics.errors.add(growth(committed_.errors, progress.errors));
        committed_ = progress;
        return retry(*this, progress, [&] { return runner_.shards.commit(job_.id, progress); });
    }
    void note(const JobProgress& progress) override {
        runner_.kinds[static_cast<std::size_t>(job_.kind)].errors.add();
        committed_.errors = progress.errors;
        committed_.last_error = progress.last_error;
        if (const auto done = runner_.shards.commit(job_.id, committed_); !done) {
            log_warning("jobs", "job " + std::to_string(job_.id) + ": " + done.error().text);
        }
    }

  private:
    Impl& runner_;
    Turn turn_;
    const Job& job_;
    JobProgress committed_;
    SteadyTime begin_;
    SteadyTime sampled_;
    std::uint64_t sampled_sent_;
};

bool JobRunner::Impl::must_stop(const Turn& turn) const {
    const auto found = wanted.find(turn.job);
    return is_stopping || found == wanted.end() || found->second != turn.number;
}

Duration JobRunner::Impl::reserve(std::size_t bytes) {
    const std::lock_guard lock(mutex);
    const auto now = clock.steady_now();
    budget_from = std::max(budget_from, now);
    const auto wait = budget_from - now;
    budget_from += Duration(static_cast<std::int64_t>(
        static_cast<double>(bytes) * second_us /
        static_cast<double>(std::max<std::uint64_t>(options.read_bytes_per_second, 1))));
    return wait;
}

void JobRunner::Impl::show_counts() {
    running.set(static_cast<std::int64_t>(taken.size()));
    waiting.set(std::ranges::count_if(
        wanted, [this](const auto& one) { return !taken.contains(one.first); }));
}

/// The job that has waited longest; nothing at the end.
std::optional<JobRunner::Impl::Turn> JobRunner::Impl::take_waiting(
    std::unique_lock<std::mutex>& lock) {
    const auto first_waiting = [this] {
        return std::ranges::find_if(wanted,
                                    [this](const auto& one) { return !taken.contains(one.first); });
    };
    threads.wait(
        lock, std::nullopt, [&] { return is_stopping || first_waiting() != wanted.end(); });
    if (is_stopping) {
        return std::nullopt;
    }
    const auto found = first_waiting();
    taken.insert(found->first);
    show_counts();
    return Turn{.job = found->first, .number = found->second};
}

void JobRunner::Impl::run_one(const Turn& turn) {
    const auto id = turn.job;
    const auto job = shards.load_job(id);
    if (!job || job.value().state != JobState::running) {
        return;
    }
    const auto name = std::string(name_of(job.value().kind)) + " " + std::to_string(id);
    log_info("jobs", name + " runs");
    Run control(*this, turn, job.value());
    auto end = job.value().kind == JobKind::replay ? run_replay(job.value(), shards, control)
                                                   : run_redrive(job.value(), shards, control);
    if (end.state == JobState::failed && control.must_stop()) {
        // A call that failed because the node ends, say: after the next start it goes on.
        end.state = JobState::running;
    }
    log_info("jobs",
             name +
                 (end.state == JobState::running ? " stops for now"
                                                 : " is " + std::string(name_of(end.state))) +
                 (end.reason.empty() ? "" : ": " + end.reason));
    if (end.state == JobState::running) {
        return;
    }
    failed.add(end.state == JobState::failed ? 1 : 0);
    const auto changed_state =
        shards.change(id, {.state = end.state, .reason = end.reason, .by = "broker", .time_us = 0});
    if (!changed_state && changed_state.error().code != Errc::conflict) {
        log_error("jobs", name + ": " + changed_state.error().text);
    }
}

void JobRunner::Impl::work() {
    std::unique_lock lock(mutex);
    while (const auto turn = take_waiting(lock)) {
        lock.unlock();
        run_one(*turn);
        lock.lock();
        taken.erase(turn->job);
        if (const auto found = wanted.find(turn->job);
            found != wanted.end() && found->second == turn->number) {
            wanted.erase(found);
        }
        show_counts();
        threads.wake();
    }
}

JobRunner::JobRunner(Options options,
                     JobShards& shards,
                     JobThreads& threads,
                     const Clock& clock,
                     MetricsRegistry& metrics)
    : impl_(std::make_unique<Impl>(options, shards, threads, clock, metrics)) {
    for (std::size_t i = 0; i < options.jobs_running_max; ++i) {
        threads.start([impl = impl_.get()] { impl->work(); });
    }
}

JobRunner::~JobRunner() {
    stop();
}

void JobRunner::see(const Job& job) {
    const std::lock_guard lock(impl_->mutex);
    if (job.state == JobState::running) {
        if (!impl_->wanted.contains(job.id)) {
            impl_->wanted[job.id] = ++impl_->last_turn;
        }
    } else {
        impl_->wanted.erase(job.id);
    }
    impl_->show_counts();
    impl_->threads.wake();
}

void JobRunner::stop() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->is_stopping = true;
        impl_->threads.wake();
    }
    impl_->threads.join();
}

}  // namespace millrace::broker::delivery
