#include "broker/delivery/jobs/job_share.hpp"

#include <algorithm>

namespace millrace::broker::delivery {
namespace {

/// From the first record that was wanted: before it nothing had to be done.
double share_of_replay(const Job& job) {
    const auto& spec = job.replay;
    const auto end_us =
        spec.by == ReplayBy::append ? std::min(spec.to_us, job.created_us) : job.created_us;
    const auto begin_us = job.progress.first_us;
    const bool is_known = begin_us > 0 && end_us > begin_us;
    return is_known ? static_cast<double>(job.progress.position_us - begin_us) /
                          static_cast<double>(end_us - begin_us)
                    : -1;
}

double share_of_redrive(const JobProgress& progress) {
    const auto over = progress.settled + progress.failed + progress.skipped;
    return progress.total == 0 ? -1
                               : static_cast<double>(over) / static_cast<double>(progress.total);
}

}  // namespace

double share_of(const Job& job) {
    if (job.state == JobState::done) {
        return 1;
    }
    const auto share =
        job.kind == JobKind::replay ? share_of_replay(job) : share_of_redrive(job.progress);
    return share < 0 ? (share == -1 ? -1 : 0) : std::min(share, 1.0);
}

std::optional<std::int64_t> remaining_us_of(const Job& job) {
    const auto share = share_of(job);
    if (share <= 0 || !is_open(job.state)) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(static_cast<double>(job.progress.active_us) * (1 - share) /
                                     share);
}

}  // namespace millrace::broker::delivery
