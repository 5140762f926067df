#include <algorithm>
#include <array>
#include <ctime>

#include "broker/delivery/queue/engine.hpp"

// What an operator sees: how far it is, and why nothing flows when nothing flows.

namespace millrace::broker::delivery {
namespace {

std::string text_of(UnixMicros time_us) {
    const auto seconds = static_cast<std::time_t>(time_us / 1'000'000);
    std::tm utc{};
    (void)::gmtime_r(&seconds, &utc);
    std::array<char, 32> text{};
    const auto bytes = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
    return {text.data(), bytes};
}

std::string count_of(std::uint64_t count, const char* one, const char* many) {
    return std::to_string(count) + " " + (count == 1 ? one : many);
}

}  // namespace

std::int64_t Engine::lag_us(PartitionId partition, const Flow& flow, Offset next) const {
    const auto floor = flow.progress.settled().floor();
    if (floor >= next) {
        return 0;
    }
    if (!flow.floor_time || flow.floor_time->first != floor) {
        const auto oldest = shard_.store().append_time_at(partition, floor);
        if (!oldest || !oldest.value()) {
            return 0;
        }
        flow.floor_time.emplace(floor, *oldest.value());
    }
    return std::max<std::int64_t>(0, shard_.runtime().clock().unix_now() - flow.floor_time->second);
}

/// Letters are numbered as they were opened, so each cause's oldest is its first.
UnixMicros Engine::oldest_letter_us(LetterState state) const {
    UnixMicros oldest = 0;
    const auto counts = letters_.counts(info_->id, state);
    for (std::size_t cause = 1; cause < cause_count; ++cause) {
        if (counts[cause] == 0) {
            continue;
        }
        LetterQuery query{.cause = static_cast<Cause>(cause), .state = state};
        query.limit = 1;
        const auto page =
            letters_.find(info_->id, query, [](const Letter& /*letter*/) { return true; });
        if (page && !page.value().letters.empty()) {
            oldest = earlier(oldest, page.value().letters.front().first_failure_us);
        }
    }
    return oldest;
}

void Engine::add_next(SubscriptionProgress& progress, const Flow& flow) {
    for (const auto& [offset, wait] : flow.waits) {
        auto& next = wait.is_retry ? progress.next_retry_us : progress.next_delay_us;
        next = earlier(next, wait.due_us);
    }
}

SubscriptionProgress Engine::progress() const {
    auto total = counts();
    total.circuit_changes.assign(circuit_.changes().begin(), circuit_.changes().end());
    for (const auto& [partition, flow] : flows_) {
        add_next(total, flow);
    }
    total.stopped_reason = parts_.reason();
    total.reason = reason(total);
    if (!filter_fault_.empty()) {
        total.reason += (total.reason.empty() ? "" : "; ") + filter_fault_;
    }
    return total;
}

SubscriptionProgress Engine::counts() const {
    SubscriptionProgress total;
    total.circuit = circuit_.state();
    total.drained_us = drained_us_;
    total.stopped_parts = parts_.size();
    total.consumers = static_cast<std::uint32_t>(sessions_.size());
    total.in_flight = flights_.size();
    total.waiting_retry = retry_count_;
    total.waiting_delay = wait_count_ - retry_count_;
    total.parked_records = keys_.parked_records();
    total.parked_keys = keys_.parked_keys();
    total.delivered = metrics_->delivered.value();
    total.acked = metrics_->acked.value();
    total.nacked = metrics_->nacked.value();
    total.filtered = metrics_->filtered.value();
    total.filter_failed = metrics_->filter_failed.value();
    total.expired = metrics_->expired.value();
    for (std::size_t cause = 1; cause < cause_count; ++cause) {
        total.dropped += metrics_->dropped[cause]->value();
    }
    total.letters_open = letters_open_;
    total.letters_by_cause = letters_.counts(info_->id, LetterState::open);
    // What is redriven may wait for long, and is not over until it is settled.
    const auto oldest =
        earlier(oldest_letter_us(LetterState::open), oldest_letter_us(LetterState::redriven));
    if (oldest != 0) {
        total.oldest_letter_us = shard_.runtime().clock().unix_now() - oldest;
    }
    for (const auto& [partition, flow] : flows_) {
        const auto limits = shard_.bounds(partition);
        if (!limits) {
            continue;
        }
        const auto& settled = flow.progress.settled();
        total.lag_records += limits->next.value - std::min(settled.floor(), limits->next).value -
                             settled.above_floor();
        total.lag_us = std::max(total.lag_us, lag_us(partition, flow, limits->next));
        total.partitions.push_back({.partition = partition,
                                    .floor = settled.floor(),
                                    .next = limits->next,
                                    .settled_above_floor = settled.above_floor()});
    }
    return total;
}

/// Without a name yet there is nothing to show.
void Engine::show_metrics() {
    if (metrics_) {
        metrics_->show(counts(), limit_percent());
    }
}

std::string Engine::reason(const SubscriptionProgress& progress) const {
    if (info_->paused) {
        return "paused: " + info_->pause_reason;
    }
    if (info_->draining) {
        const auto why = info_->pause_reason.empty() ? "" : ": " + info_->pause_reason;
        return progress.drained_us
                   ? "drained" + why
                   : "draining" + why + ", " + count_of(flights_.size(), "record", "records") +
                         " in flight";
    }
    if (!filter_error_.empty()) {
        return filter_error_;
    }
    if (!circuit_.reason().empty()) {
        return circuit_.reason();
    }
    const bool has_work = progress.lag_records > 0 || !redriven_.empty();
    if (!has_work) {
        return {};
    }
    if (auto limit = limit_reached(); !limit.empty()) {
        return limit;
    }
    if (sessions_.empty()) {
        return "no consumer is connected";
    }
    if (flights_.size() >= info_->window) {
        return "limit window of " + std::to_string(info_->window) +
               " is reached: " + count_of(flights_.size(), "record is", "records are") +
               " in flight on this shard";
    }
    if (dispatchable() > 0 && credit_left() == 0) {
        return "no credit: the consumers have as many records as they can take";
    }
    if (dispatchable() > 0 && limits_.is_bounded() && shortage_ == Shortage::concurrency) {
        return "limit concurrency of " + std::to_string(info_->concurrency) +
               " is reached: so many records are in flight";
    }
    if (dispatchable() > 0 && limits_.is_bounded() && shortage_ == Shortage::rate) {
        return "rate limit of " + std::to_string(info_->rate_per_s) + "/s";
    }
    return reason_to_wait(progress);
}

/// Nothing could go out; in flight is what consumers work on.
std::string Engine::reason_to_wait(const SubscriptionProgress& progress) const {
    if (flights_.size() > 0 || dispatchable() > 0) {
        return {};
    }
    std::string text;
    const auto add = [&text](const std::string& part) {
        text += (text.empty() ? "" : "; ") + part;
    };
    if (progress.parked_records > 0 && letters_open_ > 0) {
        add(count_of(progress.parked_records, "record is", "records are") + " parked behind " +
            count_of(letters_open_, "dead letter", "dead letters"));
    }
    if (progress.waiting_retry > 0) {
        add("waiting for a retry until " + text_of(progress.next_retry_us));
    }
    if (progress.waiting_delay > 0) {
        add("waiting for deliver-after until " + text_of(progress.next_delay_us));
    }
    return text;
}

}  // namespace millrace::broker::delivery
