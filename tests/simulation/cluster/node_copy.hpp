#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "tests/simulation/cluster/sim_node.hpp"

#include "storage/copy/segment_source.hpp"
#include "storage/repair/entry_source.hpp"

namespace millrace::simulation::cluster {

/// Asks other nodes across the simulated network. The world goes on while it waits.
class Asking {
  public:
    Asking(SimNode::Surroundings& around, NodeId self) : around_(around), self_(self) {}

    /// Null where it can't be asked now.
    [[nodiscard]] SimNode* reach(NodeId node) const;
    void pass_time();
    /// What the node answers that `ask` asks in its turn. Errors: those of the answer; timed_out.
    template <class Answer>
    [[nodiscard]] Result<Answer> answer_of(
        SimNode& node, const std::function<void(std::function<void(const Result<Answer>&)>)>& ask);

  private:
    SimNode::Surroundings& around_;
    NodeId self_;
};

/// The segments of the node that leads, across the simulated network, as
/// broker/peers/copy_source.
class LeaderSource final : public storage::SegmentSource {
  public:
    struct Options {
        std::vector<NodeId> others;
        SimNode::Asker asker = SimNode::Asker::knows;
        Terms terms;  ///< that the asking node has seen
    };
    LeaderSource(SimNode::Surroundings& around, NodeId self, Options options);

    [[nodiscard]] Result<std::vector<storage::SegmentExtent>> list() override;
    [[nodiscard]] Result<std::vector<std::byte>> read(const storage::SegmentRead& request) override;
    void doubt(const storage::SegmentExtent& extent) override;

  private:
    [[nodiscard]] Result<std::vector<storage::SegmentExtent>> list_of(SimNode& node);

    Asking asking_;
    Options options_;
    NodeId from_;
    std::uint64_t life_ = 0;  ///< of the node that answered the list
};

/// Entries of the other nodes' logs, as broker/peers/entry_fetcher.
class EntriesOfOthers final : public storage::EntrySource {
  public:
    EntriesOfOthers(SimNode::Surroundings& around, NodeId self, std::vector<NodeId> others)
        : asking_(around, self), others_(std::move(others)) {}

    [[nodiscard]] Result<std::vector<std::byte>> fetch(
        const storage::EntryRequest& request) override;

  private:
    Asking asking_;
    std::vector<NodeId> others_;
};

}  // namespace millrace::simulation::cluster
