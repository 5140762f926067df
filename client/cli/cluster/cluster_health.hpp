#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "client/cli/app/exit_code.hpp"
#include "millrace/admin.hpp"

namespace millrace::cli {

/// What a node lacks of what its leader has.
struct ReplicaLag {
    std::uint64_t entries = 0;   ///< of the group of which it lacks most
    bool is_far_behind = false;  ///< more than the leader has in memory
};
/// Nothing where whom was asked does not know.
[[nodiscard]] std::optional<ReplicaLag> lag_of(const ClusterStatus& status, std::uint64_t node);

/// It is a standby and is to stay one: whom was asked has not chosen it to vote.
[[nodiscard]] bool stands_by(const ClusterNode& node);

/// Up to here a replica counts as up to date: some entries are always on their way.
inline constexpr std::uint64_t late_entries_max = 100;
/// False where that is not known.
[[nodiscard]] bool is_up_to_date(const std::optional<ReplicaLag>& lag);

struct ClusterHealth {
    std::string sentence;
    /// ok; partly: it serves, but a replica is missing or behind; retryable: no node leads, or a
    /// majority is missing.
    ExitCode code = ExitCode::ok;
};
[[nodiscard]] ClusterHealth health_of(const ClusterStatus& status);

}  // namespace millrace::cli
