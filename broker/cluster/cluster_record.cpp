#include "broker/cluster/cluster_record.hpp"

#include <utility>

namespace millrace::broker::cluster {

std::string ClusterRecord::id() const {
    const std::scoped_lock guard(lock_);
    return facts_.id;
}

std::vector<consensus::Member> ClusterRecord::members() const {
    const std::scoped_lock guard(lock_);
    return facts_.members;
}

void ClusterRecord::learn_id(const std::string& id) {
    const std::scoped_lock guard(lock_);
    if (!id.empty() && facts_.id != id) {
        facts_.id = id;
        keep_(facts_);
    }
}

void ClusterRecord::learn_members(std::vector<consensus::Member> members) {
    const std::scoped_lock guard(lock_);
    if (facts_.members != members) {
        facts_.members = std::move(members);
        keep_(facts_);
    }
}

}  // namespace millrace::broker::cluster
