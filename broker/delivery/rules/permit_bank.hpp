#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"

namespace millrace::broker::delivery {

/// What bounds a whole subscription, over all shards. 0: no bound.
struct DispatchLimits {
    std::uint32_t concurrency = 0;  ///< records in flight
    std::uint32_t rate_per_s = 0;   ///< records handed out in a second
    std::uint32_t rate_burst = 0;   ///< how many of them at once; 0: as many as in a second
    auto operator<=>(const DispatchLimits&) const = default;
    [[nodiscard]] bool is_bounded() const { return concurrency > 0 || rate_per_s > 0; }
};

/// What a shard's part of a subscription tells the bank since it last did.
struct PermitReport {
    ShardId from;
    std::uint32_t adopted = 0;   ///< records that were in flight before there was a limit
    std::uint32_t finished = 0;  ///< records that are no longer in flight
    std::uint32_t unused = 0;    ///< permits that it gives back
    std::uint32_t wanted = 0;    ///< beside those that it still has; replaces what it wanted before
};
enum class Shortage : std::uint8_t { none, concurrency, rate };
struct PermitGrant {
    ShardId to;
    std::uint32_t count = 0;
    Shortage shortage = Shortage::none;  ///< why not all that was wanted
};

/// Gives out the right to hand out a record, one permit each, so that a subscription keeps its
/// limits over all shards and these share them evenly.
///
/// Promise:  at most `concurrency` permits are out; over any time t at most
///           `rate_burst + rate_per_s * t` are given.
/// Threads:  one. Time comes from the caller.
class PermitBank {
  public:
    void limit(const DispatchLimits& limits, SteadyTime now);
    void take(const PermitReport& report);
    /// What can be given now, and once per shard and shortage why there is no more.
    [[nodiscard]] std::vector<PermitGrant> give(SteadyTime now);
    /// When `give` has more, if a shard waits for the rate.
    [[nodiscard]] std::optional<Duration> wait() const;

  private:
    struct Want {
        ShardId shard;
        std::uint32_t count = 0;
        std::uint32_t given = 0;
        Shortage told = Shortage::none;
    };
    void refill(SteadyTime now);
    [[nodiscard]] std::uint32_t available() const;
    [[nodiscard]] Shortage shortage() const;
    void share_out();
    [[nodiscard]] double burst() const;

    DispatchLimits limits_;
    std::deque<Want> wants_;  ///< the one whose turn it is first
    std::uint64_t out_ = 0;
    double tokens_ = 0;
    SteadyTime refilled_at_{};
};

}  // namespace millrace::broker::delivery
