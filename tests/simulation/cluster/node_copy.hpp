#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "tests/simulation/cluster/sim_node.hpp"

#include "storage/copy/segment_source.hpp"

namespace millrace::simulation::cluster {

/// The segments of the node that leads, across the simulated network, as
/// broker/peers/copy_source. The world goes on while it waits.
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
    [[nodiscard]] SimNode* reach(NodeId node) const;
    [[nodiscard]] Result<std::vector<storage::SegmentExtent>> list_of(SimNode& node);
    void pass_time();
    template <class Answer>
    [[nodiscard]] Result<Answer> ask(
        SimNode& node, const std::function<void(std::function<void(const Result<Answer>&)>)>& ask);

    SimNode::Surroundings& around_;
    NodeId self_;
    Options options_;
    NodeId from_;
    std::uint64_t life_ = 0;  ///< of the node that answered the list
};

}  // namespace millrace::simulation::cluster
