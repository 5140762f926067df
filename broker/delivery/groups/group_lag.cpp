#include "broker/delivery/groups/group_lag.hpp"

#include <algorithm>
#include <utility>

#include "broker/shard/shard.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::int64_t micros_a_second = 1'000'000;

}  // namespace

void GroupLag::take(ShardId home, std::uint32_t round, const std::vector<GroupOffsets>& groups) {
    auto& known = groups_[{home, round}];
    auto before = std::exchange(known, {});
    for (const auto& now : groups) {
        auto& group = known[now.group];
        if (const auto found = before.find(now.group); found != before.end()) {
            group = std::move(found->second);
            before.erase(found);
        }
        update(group, now);
        show(now.group, group.lag);
    }
    for (const auto& [name, gone] : before) {
        show(name, {});
    }
    if (others_) {
        show_others();
    }
}

void GroupLag::update(Group& group, const GroupOffsets& now) const {
    group.lag = {};
    if (group.oldest.size() > now.offsets.size()) {
        group.oldest.clear();
    }
    for (const auto& committed : now.offsets) {
        const auto lag = lag_of(group, committed);
        group.lag.records += lag.records;
        group.lag.seconds = std::max(group.lag.seconds, lag.seconds);
    }
}

/// What retention has taken is not behind any more.
GroupLag::Lag GroupLag::lag_of(Group& group, const CommittedOffset& committed) const {
    const auto bounds = shard_.bounds(committed.partition);
    if (!bounds) {
        return {};
    }
    const auto offset = std::max(committed.offset, bounds->first);
    if (offset >= bounds->next) {
        return {};
    }
    const auto oldest = oldest_us(group, committed.partition, offset);
    const auto age = oldest == 0 ? 0 : shard_.runtime().clock().unix_now() - oldest;
    return {.records = bounds->next.value - offset.value,
            .seconds = std::max<std::int64_t>(0, age) / micros_a_second};
}

UnixMicros GroupLag::oldest_us(Group& group, PartitionId partition, Offset offset) const {
    auto& [known, time_us] = group.oldest[partition];
    if (time_us == 0 || known != offset) {
        const auto found = shard_.store().append_time_at(partition, offset);
        known = offset;
        time_us = found ? found.value().value_or(0) : 0;
    }
    return time_us;
}

void GroupLag::Gauges::set(Lag lag) const {
    records.set(static_cast<std::int64_t>(lag.records));
    seconds.set(lag.seconds);
}

GroupLag::Gauges GroupLag::gauges_of(const std::string& label) const {
    auto labels = shard_label(shard_.id());
    labels.emplace_back("group", label);
    auto& metrics = shard_.metrics();
    return {.records = metrics.gauge("millrace_group_lag_records",
                                     "Records behind what the consumer group has committed.",
                                     labels),
            .seconds =
                metrics.gauge("millrace_group_lag_seconds", "Age of the oldest of them.", labels)};
}

void GroupLag::show(const std::string& name, Lag lag) {
    auto found = shown_.find(name);
    if (found == shown_.end() && shown_.size() < groups_shown_max) {
        found = shown_.emplace(name, gauges_of(name)).first;
    }
    if (found != shown_.end()) {
        found->second.set(lag);
    } else if (!others_) {
        others_.emplace(gauges_of(LabelledNames::others));
    }
}

void GroupLag::show_others() const {
    Lag all;
    const auto add = [&](const auto& named) {
        if (!shown_.contains(named.first)) {
            all.records += named.second.lag.records;
            all.seconds = std::max(all.seconds, named.second.lag.seconds);
        }
    };
    for (const auto& [where, groups] : groups_) {
        std::ranges::for_each(groups, add);
    }
    others_->set(all);
}

}  // namespace millrace::broker::delivery
