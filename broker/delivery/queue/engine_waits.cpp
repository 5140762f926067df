#include <algorithm>
#include <utility>

#include "broker/delivery/queue/engine.hpp"
#include "broker/delivery/queue/engine_pending.hpp"

// What has its time: retries, records with `deliver-after`, ack timeouts. One timer for all.

namespace millrace::broker::delivery {
namespace {

/// The wall clock may jump, so that a long wait looks at it now and then.
constexpr std::int64_t look_interval_us = 3'600'000'000;

}  // namespace

SteadyTime Engine::whole_tick(SteadyTime time) {
    const auto since = time.time_since_epoch();
    return SteadyTime((since + tick - Duration{1}) / tick * tick);
}

SteadyTime Engine::steady_at(UnixMicros due_us) const {
    const auto& clock = shard_.runtime().clock();
    const auto now = clock.unix_now();
    const auto delay = due_us <= now ? 0 : std::min(due_us - now, look_interval_us);
    return clock.steady_now() + Duration(delay);
}

void Engine::wait(PartitionId partition, Offset offset, Wait wait) {
    const auto due_us = wait.due_us;
    if (!wait.is_retry) {
        keys_.hold(partition, wait.key);
    }
    auto& flow = flow_of(partition);
    if (const auto known = flow.waits.find(offset); known != flow.waits.end()) {
        forget_wait(known->second);
    }
    ++wait_count_;
    retry_count_ += wait.is_retry ? 1U : 0U;
    flow.waits.insert_or_assign(offset, std::move(wait));
    wheel_.add(steady_at(due_us), {.partition = partition, .number = offset.value});
    arm();
}

void Engine::forget_wait(const Wait& wait) {
    --wait_count_;
    retry_count_ -= wait.is_retry ? 1U : 0U;
}

void Engine::come_due(const WaitRef& ref) {
    if (ref.is_letter) {
        redriven_.push_front(ref.number);
        return;
    }
    auto& flow = flow_of(ref.partition);
    const auto found = flow.waits.find(Offset{ref.number});
    if (found == flow.waits.end()) {
        return;
    }
    if (found->second.due_us > shard_.runtime().clock().unix_now()) {
        wheel_.add(steady_at(found->second.due_us), ref);
        return;
    }
    forget_wait(found->second);
    const auto key = std::move(found->second.key);
    flow.waits.erase(found);
    read_one(ref.partition, Offset{ref.number}, key);
}

void Engine::arm() {
    auto next = wheel_.next();
    for (const auto& other : {flights_.next_deadline(), flush_at_}) {
        if (other && (!next || *other < *next)) {
            next = other;
        }
    }
    if (!next || (alarm_ && alarm_->first <= *next)) {
        return;
    }
    auto& runtime = shard_.runtime();
    if (alarm_) {
        runtime.cancel(alarm_->second);
    }
    const auto delay = std::max(Duration{0}, *next - runtime.clock().steady_now());
    alarm_.emplace(*next, runtime.run_after(delay, [this, alive = is_alive_] {
        if (*alive) {
            alarm_.reset();
            come_round();
        }
    }));
}

void Engine::come_round() {
    const auto now = shard_.runtime().clock().steady_now();
    std::vector<WaitRef> due;
    wheel_.advance(now, due);
    for (const auto& ref : due) {
        come_due(ref);
    }
    fail_late();
    if (flush_at_ && *flush_at_ <= now) {
        flush_settlings();
    }
    pump();
}

void Engine::fail_late() {
    for (const auto delivery : flights_.late(shard_.runtime().clock().steady_now())) {
        auto flight = take_flight(flights_.find(delivery)->session, delivery);
        fail_item(std::move(flight->item),
                  {.delivery_id = delivery,
                   .cause = Cause::transient,
                   .delay = {},
                   .error = "not settled within the ack timeout",
                   .response = {}},
                  nullptr);
    }
}

}  // namespace millrace::broker::delivery
