#include "broker/shard/retention_walk.hpp"

#include <algorithm>

namespace millrace::broker {
namespace {

constexpr std::size_t slice = 200;  ///< partitions looked at in one step

storage::RetentionRule rule_of(const TopicInfo& topic) {
    storage::RetentionRule rule;
    if (topic.retention_ms != 0) {
        rule.age_max = std::chrono::milliseconds(topic.retention_ms);
    }
    if (topic.retention_bytes != 0) {
        rule.bytes_max = topic.retention_bytes;
    }
    return rule;
}

}  // namespace

Result<void> RetentionWalk::step(const CatalogView& catalog, storage::ShardStore& store) {
    if (queue_.empty()) {
        queue_ = store.partitions();
    }
    Result<void> outcome = ok();
    for (auto left = std::min(slice, queue_.size()); left > 0; --left) {
        const auto partition = queue_.back();
        queue_.pop_back();
        const auto* const ref = catalog.find(partition);
        if (ref == nullptr || (ref->topic->retention_ms == 0 && ref->topic->retention_bytes == 0)) {
            continue;
        }
        if (const auto done = store.enforce_retention(partition, rule_of(*ref->topic)); !done) {
            outcome = done.error();
        }
    }
    return outcome;
}

}  // namespace millrace::broker
