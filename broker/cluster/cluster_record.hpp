#pragma once

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "broker/consensus/group.hpp"

namespace millrace::broker::cluster {

/// What a node knows of the cluster that it belongs to.
struct ClusterFacts {
    std::string id;                          ///< empty: it belongs to none yet
    std::vector<consensus::Member> members;  ///< where they are counts, not what they are
};

/// Keeps what the shards learn of their cluster for each other, and for the next start, when no
/// shard has anything to tell yet.
///
/// Threads:  any.
class ClusterRecord {
  public:
    /// `keep` is called with everything whenever something new was learnt; on the learner's thread.
    ClusterRecord(ClusterFacts known, std::function<void(const ClusterFacts&)> keep)
        : facts_(std::move(known)), keep_(std::move(keep)) {}

    [[nodiscard]] std::string id() const;
    [[nodiscard]] std::vector<consensus::Member> members() const;
    void learn_id(const std::string& id);
    void learn_members(std::vector<consensus::Member> members);

  private:
    mutable std::mutex lock_;
    ClusterFacts facts_;
    std::function<void(const ClusterFacts&)> keep_;
};

}  // namespace millrace::broker::cluster
