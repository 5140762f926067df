#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "broker/delivery/jobs/job_control.hpp"
#include "broker/delivery/jobs/job_shards.hpp"

namespace millrace::broker::delivery {

/// One letter that a redrive is to send.
struct PlannedLetter {
    std::uint64_t id = 0;
    std::uint64_t key = 0;  ///< a hash; letters with the same one go out one after another
    Offset offset;
    std::uint32_t bytes = 0;
    ShardId shard;
};

/// What a redrive finds when it begins, or begins again.
struct RedrivePlan {
    std::vector<PlannedLetter> to_send;    ///< in the order in which they go
    std::vector<PlannedLetter> in_flight;  ///< sent in an earlier life, not settled yet
    std::uint64_t settled = 0;             ///< sent in an earlier life, with how it went
    std::uint64_t failed = 0;
    std::uint64_t skipped = 0;
    bool is_cut = false;  ///< at `letters_max`
    [[nodiscard]] std::uint64_t sent() const {
        return in_flight.size() + settled + failed + skipped;
    }

    static constexpr std::size_t letters_max = 1'000'000;
};

/// What stands in the history of a letter that this job has sent. It is how a job knows its own
/// letters after a restart: the mark and the new state are one command.
[[nodiscard]] std::string redrive_mark(std::uint64_t job);
[[nodiscard]] bool has_mark(const Letter& letter, std::uint64_t job);

/// Oldest first; of one key by offset.
void put_in_order(std::vector<PlannedLetter>& letters);

/// Looks at every letter that the job may send or has sent. Errors: unknown_subscription,
/// invalid_argument for the filter, cancelled when the job must stop.
[[nodiscard]] Result<RedrivePlan> plan_redrive(const Job& job,
                                               JobShards& shards,
                                               JobControl& control);

}  // namespace millrace::broker::delivery
