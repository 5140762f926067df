#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "broker/delivery/reading/fetch_waiters.hpp"
#include "broker/delivery/reading/read_ahead.hpp"
#include "broker/shard/shard.hpp"
#include "storage/base/bytes.hpp"

namespace millrace::broker::delivery {

/// Where a fetch begins to read a partition, and how much of it.
struct Wanted {
    PartitionId partition;
    Offset offset;
    std::size_t bytes_max = 0;
};
/// What lies there: runs as they stand in the log, or why there are none.
struct Fetched {
    PartitionId partition;
    std::optional<Error> error;
    Offset first;
    Offset next;
    Offset skip_to;  ///< behind what is damaged
    SharedBytes runs;
    std::uint64_t record_count = 0;  ///< in them
};
struct FetchPlan {
    std::vector<Wanted> wanted;
    std::size_t bytes_min = 1;  ///< at most `bytes_max` counts
    std::size_t bytes_max = 0;  ///< of all; the last batch may be larger than what is left
    Duration wait_max{0};
};
/// What each shard may bring of a fetch of `bytes_max` whose answer is one frame. A batch may be
/// larger than what is left; half a frame leaves room for that.
[[nodiscard]] std::size_t fetch_share(std::size_t bytes_max,
                                      std::size_t frame_bytes_max,
                                      std::size_t shard_count);
using FetchedDone = std::function<void(std::vector<Fetched>)>;

/// Reads partitions of one shard for whoever has offsets of its own.
///
/// Threads:  the shard's.
class Fetcher {
  public:
    explicit Fetcher(Shard& shard) : shard_(shard), waiters_(shard), ahead_(shard) {}

    /// Where too little is there waits for more until the time is over. `done` runs once, later or
    /// before the call returns.
    void start(FetchPlan plan, FetchedDone done);
    [[nodiscard]] const FetchWaiters& waiters() const { return waiters_; }

  private:
    class Job;

    Shard& shard_;
    FetchWaiters waiters_;
    ReadAhead ahead_;
};

}  // namespace millrace::broker::delivery
