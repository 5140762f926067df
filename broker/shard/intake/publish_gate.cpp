#include "broker/shard/intake/publish_gate.hpp"

#include <algorithm>
#include <utility>

#include "storage/base/units.hpp"

namespace millrace::broker {
namespace {

/// So long after its last batch a class counts as being about.
constexpr Duration about_for{1'000'000};
constexpr std::size_t percent = 100;
constexpr std::size_t micros_per_second = 1'000'000;
/// What a client's publish holds at most, as a measure of credit.
constexpr std::size_t publish_bytes = 1_MiB;
constexpr std::array classes{Criticality::critical, Criticality::standard, Criticality::bulk};

std::string_view name_of(Criticality criticality) {
    switch (criticality) {
        case Criticality::bulk:
            return "bulk";
        case Criticality::critical:
            return "critical";
        default:
            return "standard";
    }
}

/// Of the log's backlog, for commands, catalog changes and copies of the state.
constexpr std::size_t backlog_reserve_bytes = 8_MiB;

Duration time_of(std::size_t bytes, std::size_t bytes_per_second) {
    const auto micros = bytes * micros_per_second / std::max<std::size_t>(bytes_per_second, 1);
    return Duration(static_cast<Duration::rep>(micros));
}

Labels labels_of(ShardId shard, Criticality criticality) {
    auto labels = shard_label(shard);
    labels.emplace_back("criticality", name_of(criticality));
    return labels;
}

}  // namespace

Result<void> check_limits(const ShardOptions& options) {
    const auto backlog = options.store.commit_backlog_bytes_max;
    const auto room = backlog - std::min(backlog, backlog_reserve_bytes);
    if (options.publish.bytes_pending_max > room) {
        return fail(Errc::configuration,
                    "publish_bytes_pending_max is " +
                        std::to_string(options.publish.bytes_pending_max) +
                        ", but the log takes no more than " + std::to_string(room) +
                        " (commit_backlog_bytes_max of " + std::to_string(backlog) +
                        ", less a reserve): make it smaller");
    }
    return ok();
}

Criticality criticality_of(const TopicInfo& topic, const PublishBatch& batch) {
    // Rows of an earlier broker may hold a number that names no class.
    return batch.is_background ? Criticality::bulk
                               : std::min(topic.criticality, Criticality::critical);
}

Criticality criticality_of(const CatalogView& catalog, const PublishBatch& batch) {
    const auto* const ref = catalog.find(batch.partition);
    return ref == nullptr ? Criticality::standard : criticality_of(*ref->topic, batch);
}

PublishGate::Lane::Lane(MetricsRegistry& metrics, ShardId shard, Criticality criticality)
    : pending_bytes(metrics.gauge("millrace_shard_publish_pending_bytes",
                                  "Bytes of batches that are not durable yet, held back or not.",
                                  labels_of(shard, criticality))),
      held_bytes(metrics.gauge("millrace_shard_publish_held_bytes",
                               "Bytes of batches that are held back before the log.",
                               labels_of(shard, criticality))),
      held_total(metrics.counter("millrace_shard_publish_held_total",
                                 "Batches that were held back for a while.",
                                 labels_of(shard, criticality))),
      refused_total(metrics.counter("millrace_shard_publish_over_share_total",
                                    "Batches refused because their class had used up its share.",
                                    labels_of(shard, criticality))),
      latency_us(metrics.histogram("millrace_shard_publish_latency_us",
                                   "From the arrival of a publish to its answer.",
                                   labels_of(shard, criticality))) {}

PublishGate::PublishGate(const ShardOptions& options,
                         const Clock& clock,
                         const PublishQueue& queue,
                         MetricsRegistry& metrics)
    : limits_(options.publish),
      clock_(clock),
      queue_(queue),
      lanes_{Lane(metrics, options.id, Criticality::bulk),
             Lane(metrics, options.id, Criticality::standard),
             Lane(metrics, options.id, Criticality::critical)} {}

void PublishGate::measure(PublishCall& call, Criticality criticality) {
    call.begin = now_;
    call.clock = &clock_;
    call.criticality = std::min(call.criticality, criticality);
    call.latency_us = &lane_of(call.criticality).latency_us;
}

Criticality PublishGate::place_of(PartitionId partition, Criticality criticality) const {
    const auto found = std::ranges::find_if(classes, [&](Criticality other) {
        return lanes_[static_cast<std::size_t>(other)].waiting.contains(partition);
    });
    return found == classes.end() ? criticality : *found;
}

std::size_t PublishGate::share_bytes(Criticality criticality) const {
    switch (criticality) {
        case Criticality::bulk:
            return limits_.bytes_pending_max / percent * limits_.bulk_share_percent;
        case Criticality::critical:
            return limits_.bytes_pending_max;
        default:
            return limits_.bytes_pending_max / percent * limits_.standard_share_percent;
    }
}

std::size_t PublishGate::pending_bytes() const {
    auto bytes = queue_.pending_bytes();
    for (const auto& lane : lanes_) {
        bytes += lane.bytes;
    }
    return bytes;
}

bool PublishGate::is_yielding(Criticality criticality) const {
    return std::ranges::any_of(classes, [&](Criticality other) {
        const auto& seen = lanes_[static_cast<std::size_t>(other)].seen;
        return other > criticality && seen && *seen + about_for > now_;
    });
}

void PublishGate::end_slice(Criticality criticality) {
    auto& lane = lane_of(criticality);
    const auto bytes = std::exchange(lane.slice_bytes, 0);
    if (criticality == Criticality::bulk) {
        lane.rests_until =
            lane.slice_begin + time_of(bytes, limits_.bulk_yielding_bytes_per_second);
    }
}

bool PublishGate::let_in_yielding(Criticality criticality, std::size_t bytes) {
    auto& lane = lane_of(criticality);
    const auto ahead = queue_.pending_bytes(criticality);
    if (ahead == 0 && lane.slice_bytes > 0) {
        end_slice(criticality);
    }
    const bool is_first = ahead == 0 && lane.slice_bytes == 0;
    const auto limit = limits_.ahead_yielding_bytes_max;
    const bool fits = lane.slice_bytes + bytes <= limit && ahead + bytes <= limit;
    if (now_ < lane.rests_until || !(is_first || fits)) {
        return false;
    }
    lane.slice_begin = lane.slice_bytes == 0 ? now_ : lane.slice_begin;
    lane.slice_bytes += bytes;
    return true;
}

bool PublishGate::let_in(Criticality criticality, std::size_t bytes) {
    if (criticality == Criticality::critical) {
        return true;
    }
    if (is_yielding(criticality)) {
        return let_in_yielding(criticality, bytes);
    }
    lane_of(criticality).slice_bytes = 0;
    const auto ahead = queue_.pending_bytes(criticality);
    return ahead == 0 || ahead + bytes <= limits_.ahead_bytes_max;
}

std::optional<Duration> PublishGate::rest_left() const {
    const auto& lane = lanes_[static_cast<std::size_t>(Criticality::bulk)];
    if (lane.turns.empty() || lane.rests_until <= now_) {
        return std::nullopt;
    }
    return lane.rests_until - now_;
}

Result<PublishGate::Verdict> PublishGate::judge(const PublishBatch& batch,
                                                Criticality criticality) {
    auto& lane = lane_of(criticality);
    lane.seen = now_;
    const auto pending = pending_bytes();
    if (const auto share = share_bytes(criticality); pending > share) {
        lane.refused_total.add();
        return fail(Errc::limit_reached,
                    "limit publish_bytes_pending_max: " + std::to_string(pending) +
                        " bytes wait for the disk, which does not keep up; topics of criticality " +
                        std::string(name_of(criticality)) + " are taken below " +
                        std::to_string(share));
    }
    const auto place = place_of(batch.partition, criticality);
    const bool may_enter =
        place == criticality && lane.turns.empty() && let_in(criticality, batch.batch.size());
    return may_enter ? Verdict::enter : Verdict::hold;
}

void PublishGate::hold(const PublishBatch& batch,
                       Criticality criticality,
                       PublishQueue::Waiter waiter) {
    auto& lane = lane_of(place_of(batch.partition, criticality));
    auto& waiting = lane.waiting[batch.partition];
    if (waiting.empty()) {
        lane.turns.push_back(batch.partition);
    }
    waiting.push_back({.partition = batch.partition,
                       .bytes = {batch.batch.begin(), batch.batch.end()},
                       .is_background = batch.is_background,
                       .waiter = std::move(waiter)});
    lane.bytes += batch.batch.size();
    lane.held_total.add();
    show();
}

PublishGate::Held PublishGate::pop(Lane& lane) {
    const auto partition = lane.turns.front();
    lane.turns.pop_front();
    const auto found = lane.waiting.find(partition);
    auto held = std::move(found->second.front());
    found->second.pop_front();
    if (found->second.empty()) {
        lane.waiting.erase(found);
    } else {
        lane.turns.push_back(partition);
    }
    lane.bytes -= held.bytes.size();
    return held;
}

std::optional<PublishGate::Held> PublishGate::take() {
    for (const auto criticality : classes) {
        auto& lane = lane_of(criticality);
        if (lane.turns.empty()) {
            continue;
        }
        const auto& next = lane.waiting.at(lane.turns.front()).front();
        if (let_in(criticality, next.bytes.size())) {
            return pop(lane);
        }
    }
    show();
    return std::nullopt;
}

std::optional<PublishGate::Held> PublishGate::take_any() {
    for (const auto criticality : classes) {
        if (auto& lane = lane_of(criticality); !lane.turns.empty()) {
            return pop(lane);
        }
    }
    show();
    return std::nullopt;
}

std::uint32_t PublishGate::credit(Criticality criticality) const {
    const auto share = share_bytes(criticality);
    const auto pending = pending_bytes();
    const auto free = pending < share ? share - pending : 0;
    return static_cast<std::uint32_t>(
        std::clamp(free / publish_bytes, std::size_t{1}, std::size_t{UINT32_MAX}));
}

void PublishGate::show() {
    for (const auto criticality : classes) {
        auto& lane = lane_of(criticality);
        lane.held_bytes.set(static_cast<std::int64_t>(lane.bytes));
        lane.pending_bytes.set(
            static_cast<std::int64_t>(lane.bytes + queue_.pending_bytes(criticality)));
    }
}

}  // namespace millrace::broker
