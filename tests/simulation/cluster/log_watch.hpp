#pragma once

#include <functional>
#include <map>
#include <vector>

#include "tests/simulation/cluster/publisher.hpp"
#include "tests/simulation/cluster/record_history.hpp"
#include "tests/simulation/cluster/sim_node.hpp"

namespace millrace::simulation::cluster {

/// Reads what leaders give out while the world goes on, and at the end what every replica holds.
class LogWatch {
  public:
    struct Surroundings {
        Stage& stage;
        Nodes& nodes;
        RecordHistory& history;
        /// No other node has led since: what it does not have is lost.
        std::function<bool(const SimNode&)> is_newest;
        std::function<void(Duration)> run_for;
    };
    explicit LogWatch(Surroundings around) : around_(std::move(around)) {}

    void add_partition(PartitionId partition) { next_.try_emplace(partition); }
    void start();
    /// Everything that this replica holds, which is to be all there is. False where it met damage,
    /// or the node ended: it is copied then. **Requires** a world at rest.
    [[nodiscard]] bool read_whole(SimNode& node);
    /// Records that a replica could not read any more, because a bit of them was flipped.
    [[nodiscard]] std::uint64_t damaged() const { return damaged_; }

  private:
    void look_around();
    void look(SimNode& node);
    void look_at(SimNode& node, PartitionId partition, Offset& next);
    struct ReadFrom {
        PartitionId partition;
        Offset offset;
        std::size_t bytes_max = 0;
    };
    void read(SimNode& node, const ReadFrom& request, std::function<void(Offset)> done);
    [[nodiscard]] bool read_whole(SimNode& node, PartitionId partition);

    Surroundings around_;
    std::map<PartitionId, Offset> next_;  ///< to be read of a leader
    std::uint64_t damaged_ = 0;
};

}  // namespace millrace::simulation::cluster
