#include <algorithm>
#include <utility>

#include "broker/delivery/queue/engine.hpp"
#include "broker/delivery/queue/engine_pending.hpp"

// How consumers come and go, and who gets what is ready.

namespace millrace::broker::delivery {

void Engine::open(const Subscriptions::OpenRequest& request) {
    sessions_[request.session] = {.target = request.target,
                                  .consumer = request.consumer,
                                  .credit = request.credit,
                                  .batch = {}};
    pump_soon();
}

void Engine::add_credit(SessionId session, std::uint32_t credit) {
    if (const auto found = sessions_.find(session); found != sessions_.end()) {
        found->second.credit += credit;
        pump();
    }
}

void Engine::give_back_credit(SessionId session) {
    if (const auto found = sessions_.find(session); found != sessions_.end()) {
        ++found->second.credit;
    }
}

void Engine::close(SessionId session) {
    sessions_.erase(session);
    parts_.forget_session(session);
    auto back = flights_.take_if(
        [session](const Flights::Flight& flight) { return flight.session == session; });
    for (auto flight = back.rbegin(); flight != back.rend(); ++flight) {
        note_landed(*flight);
        requeue_front(std::move(flight->item));
    }
    pump();
}

void Engine::end_sessions(const Error& reason) {
    parts_.clear();
    for (const auto& [id, session] : std::exchange(sessions_, {})) {
        session.target->on_ended(shard_.id(), reason);
    }
    for (const auto& flight : flights_.take_if([](const auto&) { return true; })) {
        note_landed(flight);
    }
}

bool Engine::may_flow() const {
    return has_started_ && !info_->paused && !info_->draining && filter_error_.empty() &&
           circuit_.in_flight_max(info_->window) > flights_.size();
}

std::size_t Engine::credit_left() const {
    std::size_t credit = 0;
    for (const auto& [id, session] : sessions_) {
        credit += session.credit;
    }
    return credit;
}

void Engine::pump() {
    // A read that is answered from memory comes back in here: the outer call goes round once more
    // instead.
    must_pump_again_ = true;
    if (std::exchange(is_pumping_, true)) {
        return;
    }
    while (std::exchange(must_pump_again_, false)) {
        if (may_flow() && credit_left() > 0) {
            dispatch();
            read_more();
        }
    }
    is_pumping_ = false;
    arm();
}

void Engine::pump_soon() {
    if (std::exchange(is_pump_posted_, true)) {
        return;
    }
    shard_.runtime().post([this, alive = is_alive_] {
        if (*alive) {
            is_pump_posted_ = false;
            pump();
        }
    });
}

std::optional<Item> Engine::next_item() {
    while (!redriven_.empty()) {
        const auto id = redriven_.front();
        redriven_.pop_front();
        const auto letter = letters_.load(info_->id, id);
        if (letter && letter.value().state == LetterState::redriven) {
            return item_of(letter.value());
        }
    }
    return has_full_letters() ? std::nullopt : next_ready();
}

/// Partitions take turns, so that a long backlog of one leaves the others their share.
std::optional<Item> Engine::next_ready() {
    while (!active_.empty()) {
        const auto partition = active_.front();
        active_.pop_front();
        auto& flow = flow_of(partition);
        flow.is_active = false;
        if (flow.ready.empty()) {
            continue;
        }
        auto item = std::move(flow.ready.front());
        flow.ready.pop_front();
        --ready_count_;
        activate(partition, flow);
        if (!item.times.is_over(shard_.runtime().clock().unix_now())) {
            return item;
        }
        expire(std::move(item));
    }
    return std::nullopt;
}

void Engine::dispatch() {
    auto at = sessions_.upper_bound(last_served_);
    std::size_t without_credit = 0;
    while (may_flow() && without_credit < sessions_.size()) {
        if (limits_.is_bounded() && permits_free_ == 0) {
            break;
        }
        if (at == sessions_.end()) {
            at = sessions_.begin();
        }
        auto& [id, session] = *at;
        ++at;
        if (session.credit == 0) {
            ++without_credit;
            continue;
        }
        auto item = next_item();
        if (!item) {
            break;
        }
        without_credit = 0;
        last_served_ = id;
        hand_out(id, session, std::move(*item));
    }
    for (auto& [id, session] : sessions_) {
        send(session);
    }
}

void Engine::hand_out(SessionId id, Session& session, Item item) {
    const auto deadline =
        shard_.runtime().clock().steady_now() + std::chrono::milliseconds(info_->ack_timeout_ms);
    --session.credit;
    permits_free_ -= limits_.is_bounded() ? 1U : 0U;
    const auto delivery = ++last_delivery_;
    flights_.add(delivery,
                 {.session = id,
                  .item = std::move(item),
                  .deadline = whole_tick(deadline),
                  .has_permit = limits_.is_bounded()});
    session.batch.push_back(delivery);
}

void Engine::send(Session& session) {
    if (session.batch.empty()) {
        return;
    }
    std::vector<Delivery> deliveries;
    deliveries.reserve(session.batch.size());
    for (const auto id : std::exchange(session.batch, {})) {
        const auto& item = flights_.find(id)->item;
        deliveries.push_back({.delivery_id = id,
                              .partition = item.partition,
                              .offset = item.offset,
                              .append_time_us = item.append_time_us,
                              .attempt = item.attempts + 1,
                              .tries = item.attempts - item.attempts_before + 1,
                              .record = item.record});
    }
    metrics_->delivered.add(deliveries.size());
    session.target->on_deliveries(shard_.id(), deliveries);
}

void Engine::note_landed(const Flights::Flight& flight) {
    permits_finished_ += flight.has_permit ? 1U : 0U;
    note_drained();
}

void Engine::note_drained() {
    const bool is_drained =
        info_->draining && flights_.size() == 0 && settlings_.empty() && proposals_ == 0;
    if (!is_drained) {
        drained_us_.reset();
    } else if (!drained_us_) {
        drained_us_ = shard_.runtime().clock().unix_now();
    }
}

void Engine::end_turn() {
    if (must_flush_) {
        flush_settlings();
    }
    if (limits_.is_bounded() || permits_free_ > 0 || permits_finished_ > 0) {
        report_permits();
    }
}

void Engine::report_permits() {
    const auto room = may_flow() ? circuit_.in_flight_max(info_->window) - flights_.size() : 0;
    const auto wanted =
        limits_.is_bounded()
            ? static_cast<std::uint32_t>(std::min({dispatchable(), credit_left(), room}))
            : 0;
    const auto unused = permits_free_ - std::min(permits_free_, wanted);
    const auto more = wanted - std::min(permits_free_, wanted);
    if (permits_finished_ == 0 && permits_adopted_ == 0 && unused == 0 && more == permits_wanted_) {
        return;
    }
    permits_.report(info_->id,
                    limits_,
                    {.from = shard_.id(),
                     .adopted = std::exchange(permits_adopted_, 0),
                     .finished = std::exchange(permits_finished_, 0),
                     .unused = unused,
                     .wanted = more});
    permits_free_ -= unused;
    permits_wanted_ = more;
}

void Engine::take_grant(const PermitGrant& grant) {
    permits_free_ += grant.count;
    permits_wanted_ -= std::min(permits_wanted_, grant.count);
    shortage_ = grant.shortage;
    pump();
}

}  // namespace millrace::broker::delivery
