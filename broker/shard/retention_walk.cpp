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

Result<void> RetentionWalk::drop(PartitionId partition, storage::ShardStore& store) {
    forget_(partition);
    return store.drop_partition(partition);
}

Result<void> RetentionWalk::drop_lost(const CatalogView& catalog, storage::ShardStore& store) {
    Result<void> outcome = ok();
    for (const auto partition : store.partitions()) {
        if (catalog.find(partition) != nullptr) {
            continue;
        }
        if (const auto done = drop(partition, store); !done) {
            outcome = done.error();
        }
    }
    return outcome;
}

Result<void> RetentionWalk::step(const CatalogView& catalog,
                                 storage::ShardStore& store,
                                 bool knows_all) {
    if (queue_.empty()) {
        queue_ = store.partitions();
    }
    Result<void> outcome = ok();
    for (auto left = std::min(slice, queue_.size()); left > 0; --left) {
        const auto partition = queue_.back();
        queue_.pop_back();
        const auto* const ref = catalog.find(partition);
        if (ref == nullptr && !knows_all) {
            continue;
        }
        const auto rule = ref == nullptr ? storage::RetentionRule{} : rule_of(*ref->topic);
        store.set_clustered(partition, ref != nullptr && ref->topic->clustered);
        Result<void> done = ok();
        if (ref == nullptr) {
            done = drop(partition, store);
        } else if (rule.age_max || rule.bytes_max) {
            done = store.enforce_retention(partition, rule);
        }
        if (!done) {
            outcome = done.error();
        }
    }
    return outcome;
}

}  // namespace millrace::broker
