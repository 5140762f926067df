#include "broker/delivery/jobs/redrive_job.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <deque>
#include <map>
#include <optional>
#include <unordered_map>
#include <utility>

#include "broker/delivery/jobs/pacer.hpp"
#include "broker/delivery/jobs/redrive_plan.hpp"
#include "broker/delivery/letters/letter_document.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr Duration poll_interval{50'000};
constexpr Duration commit_interval{500'000};
constexpr std::size_t batch_letters_max = 64;
constexpr std::size_t in_flight_min = 16;     ///< sent and not settled, while nothing is known
constexpr std::size_t in_flight_max = 1'024;  ///< and later
constexpr std::size_t held_max = 10'000;      ///< looked at and behind one of their key
constexpr std::size_t poll_letters_max = 256;
constexpr std::uint64_t sample_min = 10;  ///< settled letters before their share means something

std::string share_text(std::uint64_t failed, std::uint64_t finished, const RedriveSpec& spec) {
    std::array<char, 32> share{};
    (void)std::snprintf(share.data(), share.size(), "%g", spec.failure_share_max);
    return std::to_string(failed) + " of " + std::to_string(finished) +
           " letters failed again, above the share of " + share.data();
}

class RedriveRun {
  public:
    RedriveRun(const Job& job, JobShards& shards, JobControl& control, RedrivePlan plan)
        : job_(job),
          shards_(shards),
          control_(control),
          progress_(job.progress),
          pacer_({.records_per_second = job.redrive.records_per_second}, control.clock()),
          committed_(control.clock().steady_now()) {
        progress_.total = plan.to_send.size() + plan.sent();
        progress_.matched = progress_.total;
        progress_.sent = plan.sent();
        progress_.settled = plan.settled;
        progress_.failed = plan.failed;
        progress_.skipped = plan.skipped;
        is_canary_over_ = finished() >= job.redrive.canary;
        for (auto& letter : plan.in_flight) {
            keys_.try_emplace(letter.key);
            in_flight_.emplace(letter.id, letter);
        }
        waiting_.assign(plan.to_send.begin(), plan.to_send.end());
    }

    Result<void> prepare() {
        if (!job_.redrive.transform.empty()) {
            MILLRACE_TRY(transform_, expressions::JqProgram::compile(job_.redrive.transform));
        }
        return control_.commit(progress_);
    }

    /// Errors: cancelled when told to stop.
    Result<JobEnd> run() {
        Duration pause{0};
        do {
            MILLRACE_TRY(poll());
            if (const auto end = judge()) {
                return last_commit(*end);
            }
            MILLRACE_TRY(pause, send_due());
            MILLRACE_TRY(commit_now_and_then());
        } while (pause == Duration{0} ? !control_.must_stop()
                                      : control_.wait(std::min(pause, poll_interval)));
        return last_commit(fail(Errc::cancelled, "the job was told to stop"));
    }

  private:
    [[nodiscard]] std::uint64_t finished() const {
        return progress_.settled + progress_.failed + progress_.skipped;
    }
    [[nodiscard]] bool has_more() const { return !waiting_.empty() || held_count_ > 0; }
    /// Grows with what has come back, so that a bad start is noticed before much has gone out.
    [[nodiscard]] std::size_t window() const {
        return std::clamp<std::size_t>(
            2 * (settled_here_ + failed_here_), in_flight_min, in_flight_max);
    }
    [[nodiscard]] bool may_send() const {
        return in_flight_.size() < window() && !waiting_.empty() && held_count_ < held_max &&
               (is_canary_over_ || progress_.sent < job_.redrive.canary);
    }

    Result<void> commit_now_and_then() {
        const auto now = control_.clock().steady_now();
        if (now - committed_ < commit_interval) {
            return ok();
        }
        committed_ = now;
        return control_.commit(progress_);
    }
    /// Keeps how far the job is, whatever its end.
    Result<JobEnd> last_commit(Result<JobEnd> end) {
        MILLRACE_TRY(control_.commit(progress_));
        return end;
    }

    /// The end of the job, when it has come.
    std::optional<JobEnd> judge() {
        const auto& spec = job_.redrive;
        if (!is_canary_over_ && finished() >= spec.canary) {
            is_canary_over_ = true;
            if (is_above(progress_.failed, finished())) {
                return JobEnd{
                    .state = JobState::failed,
                    .reason = "canary: " + share_text(progress_.failed, finished(), spec) + ": " +
                              progress_.last_error};
            }
        }
        if (in_flight_.empty() && !has_more()) {
            return JobEnd{.state = JobState::done, .reason = {}};
        }
        const auto settled_now = settled_here_ + failed_here_;
        if (has_more() && settled_now >= sample_min && is_above(failed_here_, settled_now)) {
            return JobEnd{.state = JobState::paused,
                          .reason = share_text(failed_here_, settled_now, spec) + ": " +
                                    progress_.last_error};
        }
        return std::nullopt;
    }
    [[nodiscard]] bool is_above(std::uint64_t failed, std::uint64_t count) const {
        return static_cast<double>(failed) >
               job_.redrive.failure_share_max * static_cast<double>(count);
    }

    /// Learns what has become of what was sent.
    Result<void> poll() {
        const auto now = control_.clock().steady_now();
        if (in_flight_.empty() || now - polled_ < poll_interval) {
            return ok();
        }
        polled_ = now;
        std::map<ShardId, std::vector<std::uint64_t>> by_shard;
        auto at = in_flight_.upper_bound(polled_upto_);
        for (auto left = std::min(poll_letters_max, in_flight_.size()); left > 0; --left, ++at) {
            at = at == in_flight_.end() ? in_flight_.begin() : at;
            polled_upto_ = at->first;
            by_shard[at->second.shard].push_back(at->first);
        }
        for (const auto& [shard, ids] : by_shard) {
            MILLRACE_TRY(look_at(shard, ids));
        }
        return ok();
    }

    Result<void> look_at(ShardId shard, const std::vector<std::uint64_t>& ids) {
        MILLRACE_TRY(const auto letters, retry(control_, progress_, [&] {
                         return shards_.load_letters(
                             shard, {.subscription = job_.redrive.query.subscription, .ids = ids});
                     }));
        std::map<std::uint64_t, const Letter*> found;
        for (const auto& letter : letters) {
            found[letter.id] = &letter;
        }
        for (const auto id : ids) {
            const auto known = found.find(id);
            take_state(id, known == found.end() ? nullptr : known->second);
        }
        return ok();
    }

    void take_state(std::uint64_t id, const Letter* letter) {
        if (letter != nullptr && letter->state == LetterState::redriven) {
            return;
        }
        const bool is_ours = letter != nullptr && has_mark(*letter, job_.id);
        if (is_ours && letter->state == LetterState::resolved) {
            ++progress_.settled;
            ++settled_here_;
        } else if (is_ours && letter->state == LetterState::open) {
            ++progress_.failed;
            ++failed_here_;
            progress_.last_error = "letter " + std::to_string(id) + ": " + letter->error;
        } else {
            ++progress_.skipped;
        }
        release(id);
    }

    /// A letter is over; the next of its key may go, before all others.
    void release(std::uint64_t id) {
        const auto found = in_flight_.find(id);
        const auto key = found->second.key;
        in_flight_.erase(found);
        const auto held = keys_.find(key);
        if (held == keys_.end()) {
            return;  // another letter of the key was under way as well, redriven by somebody else
        }
        if (held->second.empty()) {
            keys_.erase(held);
            return;
        }
        waiting_.push_front(held->second.front());
        held->second.pop_front();
        --held_count_;
        if (held->second.empty()) {
            keys_.erase(held);
        } else {
            returned_[key] = std::move(held->second);
            keys_.erase(held);
        }
    }

    /// Sends what may go now; says how long to wait for more, 0 for not at all.
    Result<Duration> send_due() {
        std::map<ShardId, std::vector<std::uint64_t>> batch;
        std::size_t count = 0;
        auto pause = poll_interval;
        while (may_send() && count < batch_letters_max) {
            const auto& next = waiting_.front();
            if (const auto busy = keys_.find(next.key); busy != keys_.end()) {
                busy->second.push_back(next);
                ++held_count_;
                waiting_.pop_front();
                continue;
            }
            pause = pacer_.wait_of(0);
            if (pause > Duration{0}) {
                break;
            }
            pacer_.count();
            take(next, batch);
            ++count;
        }
        for (const auto& [shard, ids] : batch) {
            MILLRACE_TRY(send(shard, ids));
        }
        return count == batch_letters_max ? Duration{0} : pause;
    }

    void take(const PlannedLetter& letter, std::map<ShardId, std::vector<std::uint64_t>>& batch) {
        auto& behind = keys_[letter.key];
        if (const auto returned = returned_.find(letter.key); returned != returned_.end()) {
            behind = std::move(returned->second);
            returned_.erase(returned);
        }
        batch[letter.shard].push_back(letter.id);
        in_flight_.emplace(letter.id, letter);
        ++progress_.sent;
        progress_.bytes += letter.bytes;
        waiting_.pop_front();
    }

    Result<void> send(ShardId shard, const std::vector<std::uint64_t>& ids) {
        std::vector<LetterRedrive> letters;
        if (transform_) {
            MILLRACE_TRY(letters, mend(shard, ids));
        } else {
            for (const auto id : ids) {
                letters.push_back({.id = id, .edited = {}});
            }
        }
        if (letters.empty()) {
            return ok();
        }
        const LetterSelection selection{.query = {.subscription = job_.redrive.query.subscription},
                                        .ids = {},
                                        .by = job_.by,
                                        .reason = redrive_mark(job_.id)};
        return retry(
            control_, progress_, [&] { return shards_.redrive(shard, selection, letters); });
    }

    /// The letters with what the transform makes of them. Those on which it fails are left open.
    Result<std::vector<LetterRedrive>> mend(ShardId shard, const std::vector<std::uint64_t>& ids) {
        MILLRACE_TRY(const auto letters, retry(control_, progress_, [&] {
                         return shards_.load_letters(
                             shard,
                             {.subscription = job_.redrive.query.subscription,
                              .ids = ids,
                              .parts = JobShards::LetterParts::whole});
                     }));
        std::vector<LetterRedrive> mended;
        for (const auto& letter : letters) {
            auto edited = transform_record(*transform_, letter);
            if (edited) {
                mended.push_back({.id = letter.id, .edited = std::move(edited).value()});
                continue;
            }
            ++progress_.errors;
            progress_.last_error = edited.error().text;
        }
        return mended;
    }

    const Job& job_;
    JobShards& shards_;
    JobControl& control_;
    JobProgress progress_;
    Pacer pacer_;
    std::optional<expressions::JqProgram> transform_;
    std::deque<PlannedLetter> waiting_;
    std::map<std::uint64_t, PlannedLetter> in_flight_;
    std::unordered_map<std::uint64_t, std::deque<PlannedLetter>> keys_;  ///< in flight, and behind
    std::unordered_map<std::uint64_t, std::deque<PlannedLetter>> returned_;
    std::size_t held_count_ = 0;
    std::uint64_t settled_here_ = 0;  ///< since the job runs on this thread
    std::uint64_t failed_here_ = 0;
    bool is_canary_over_ = false;
    SteadyTime polled_{};
    std::uint64_t polled_upto_ = 0;
    SteadyTime committed_;
};

Result<JobEnd> redrive(const Job& job, JobShards& shards, JobControl& control) {
    MILLRACE_TRY(auto plan, plan_redrive(job, shards, control));
    const bool is_cut = plan.is_cut;
    RedriveRun run(job, shards, control, std::move(plan));
    MILLRACE_TRY(run.prepare());
    MILLRACE_TRY(auto end, run.run());
    if (is_cut && end.state == JobState::done) {
        end.reason = "limit of " + std::to_string(RedrivePlan::letters_max) +
                     " letters a job is reached: redrive again for the rest";
    }
    return end;
}

}  // namespace

JobEnd run_redrive(const Job& job, JobShards& shards, JobControl& control) {
    const auto end = redrive(job, shards, control);
    return end ? end.value() : end_of(end.error());
}

}  // namespace millrace::broker::delivery
