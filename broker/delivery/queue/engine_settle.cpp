#include <algorithm>
#include <cmath>
#include <utility>

#include "broker/delivery/letters/letter_limits.hpp"
#include "broker/delivery/queue/engine.hpp"
#include "broker/delivery/queue/engine_pending.hpp"
#include "storage/base/logging.hpp"

// How records are settled, and what a failure leads to.

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t runs_max = 16'384;  ///< in one command, which stays far below an entry
constexpr Duration quiet_interval{100'000};
constexpr Duration part_delay{1'000'000};  ///< of a record of a stopped part that names no delay

}  // namespace

ProgressKey Engine::progress_key(PartitionId partition) {
    const auto& progress = flow_of(partition).progress;
    return {.subscription = info_->id,
            .partition = partition,
            .epoch = progress.epoch(),
            .origin = progress.origin()};
}

void Engine::propose(const Command& command,
                     const std::shared_ptr<Pending>& pending,
                     std::function<void()> applied) {
    if (pending) {
        ++pending->outstanding;
    }
    auto bytes = format_command(command);
    metrics_->commands.add();
    metrics_->command_bytes.add(bytes.size());
    ++proposals_;
    shard_.propose(
        std::move(bytes),
        [this, pending, applied = std::move(applied), alive = is_alive_](const Result<void>& done) {
            if (*alive) {
                --proposals_;
                note_drained();
            }
            if (!done && pending) {
                pending->error = done.error();
            } else if (done && *alive) {
                applied();
            }
            if (pending) {
                pending->end_one();
            }
        });
}

Engine::Settling& Engine::settling_of(PartitionId partition) {
    const auto [found, is_new] = settlings_.try_emplace(partition);
    if (is_new) {
        found->second.key = progress_key(partition);
    }
    return found->second;
}

void Engine::settle_record(PartitionId partition,
                           Offset offset,
                           std::string key,
                           const std::shared_ptr<Pending>& pending) {
    auto& settling = settling_of(partition);
    settling.runs.add(offset);
    if (is_ordered(key)) {
        settling.keys.push_back(std::move(key));
    }
    const bool is_known = !settling.waiters.empty() && settling.waiters.back() == pending;
    if (pending && !is_known) {
        ++pending->outstanding;
        settling.waiters.push_back(pending);
    }
    must_flush_ = true;
    if (settling.runs.run_count() >= runs_max) {
        flush_settlings();
    }
}

void Engine::settle_quietly(PartitionId partition, Offset first, std::uint64_t count) {
    auto& settling = settling_of(partition);
    settling.runs.add(first, count);
    must_flush_ = must_flush_ || settling.runs.run_count() >= runs_max;
    if (!flush_at_) {
        flush_at_ = shard_.runtime().clock().steady_now() + quiet_interval;
        arm();
    }
}

void Engine::flush_settlings() {
    must_flush_ = false;
    flush_at_.reset();
    for (auto& [partition, settling] : std::exchange(settlings_, {})) {
        flush(std::make_shared<Settling>(std::move(settling)));
    }
}

void Engine::flush_settlings(PartitionId partition) {
    if (auto waiting = settlings_.extract(partition)) {
        flush(std::make_shared<Settling>(std::move(waiting.mapped())));
    }
}

void Engine::flush(const std::shared_ptr<Settling>& settling) {
    auto all = std::make_shared<Pending>();
    all->done = [settling](const Result<std::vector<std::uint64_t>>& done) {
        for (const auto& waiter : settling->waiters) {
            waiter->end_one(done);
        }
    };
    propose(SettleCommand{.key = settling->key, .runs = settling->runs.take()},
            all,
            [this, settling] { release(*settling); });
    all->end_one();
}

void Engine::note_settled(UnixMicros now, UnixMicros append_time_us, std::uint32_t attempts) {
    metrics_->settle_latency_us.observe(
        static_cast<std::uint64_t>(std::max<std::int64_t>(0, now - append_time_us)));
    metrics_->attempts.observe(attempts);
}

void Engine::release(const Settling& settling) {
    const auto now = shard_.runtime().clock().unix_now();
    for (const auto& [append_time_us, attempts] : settling.acked) {
        note_settled(now, append_time_us, attempts);
    }
    // A seek may have begun anew in between.
    if (is_current(settling.key.partition, settling.key.epoch)) {
        for (const auto& key : settling.keys) {
            release_key(settling.key.partition, key);
        }
    }
    pump_soon();
}

std::optional<Flights::Flight> Engine::take_flight(SessionId session, std::uint64_t delivery) {
    const auto* const found = flights_.find(delivery);
    if (found == nullptr || found->session != session) {
        return std::nullopt;
    }
    auto flight = flights_.take(delivery);
    note_landed(*flight);
    give_back_credit(session);
    return flight;
}

void Engine::settle_acks(SessionId session,
                         const std::vector<std::uint64_t>& acks,
                         const std::shared_ptr<Pending>& pending) {
    for (const auto id : acks) {
        auto flight = take_flight(session, id);
        if (!flight) {
            pending->stale.push_back(id);
            continue;
        }
        auto& item = flight->item;
        metrics_->acked.add();
        close_circuit();
        if (item.letter) {
            change_letter(item, LetterState::resolved, {}, Cause::none, pending);
            continue;
        }
        settling_of(item.partition).acked.emplace_back(item.append_time_us, item.attempts + 1);
        settle_record(item.partition, item.offset, std::move(item.key), pending);
    }
}

void Engine::extend_flights(SessionId session, const Settlement& settlement, Pending& pending) {
    const auto extended = shard_.runtime().clock().steady_now() + settlement.extend_by;
    for (const auto id : settlement.extends) {
        const auto* const found = flights_.find(id);
        if (found != nullptr && found->session == session) {
            flights_.extend(id, whole_tick(extended));
        } else {
            pending.stale.push_back(id);
        }
    }
}

void Engine::settle(SessionId session, const Settlement& settlement, SettleDone done) {
    auto pending = std::make_shared<Pending>();
    pending->done = std::move(done);
    // Before what settles them: both may travel together.
    extend_flights(session, settlement, *pending);
    settle_acks(session, settlement.acks, pending);
    for (const auto& nack_one : settlement.nacks) {
        auto taken = take_flight(session, nack_one.delivery_id);
        if (!taken) {
            pending->stale.push_back(nack_one.delivery_id);
        } else if (stop_part(session, nack_one)) {
            metrics_->nacked.add();
            retry_item(std::move(taken->item), nack_one, pending);
        } else {
            fail_item(std::move(taken->item), nack_one, pending);
        }
    }
    for (const auto& part : settlement.resumed) {
        if (parts_.resume(part)) {
            log_info("delivery", info_->name + ": " + part + " flows again");
        }
    }
    pending->end_one();
    pump();
}

void Engine::fail_item(Item item, const Nack& nack, const std::shared_ptr<Pending>& pending) {
    metrics_->nacked.add();
    if (is_outage(nack.cause)) {
        requeue_front(std::move(item));
        trip(nack);
        return;
    }
    ++item.attempts;
    if (item.first_failure_us == 0) {
        item.first_failure_us = shard_.runtime().clock().unix_now();
    }
    switch (nack.cause) {
        case Cause::mapping:
        case Cause::poison:
        case Cause::expired:
            give_up_item(std::move(item), nack, nack.cause, pending);
            return;
        default:
            break;
    }
    if (item.attempts - item.attempts_before >= attempts_max(nack.cause)) {
        give_up_item(std::move(item), nack, Cause::poison, pending);
    } else {
        retry_item(std::move(item), nack, pending);
    }
}

std::uint32_t Engine::attempts_max(Cause cause) const {
    const bool is_own = cause == Cause::outcome_unknown && info_->unknown_attempts_max > 0;
    return is_own ? info_->unknown_attempts_max : info_->attempts_max;
}

Duration Engine::backoff(Cause cause, std::uint32_t attempts) {
    if (is_outage(cause)) {
        return part_delay;
    }
    const bool is_unknown = cause == Cause::outcome_unknown;
    const auto choose = [is_unknown](std::uint32_t own_ms, std::uint32_t common_ms) {
        return is_unknown && own_ms > 0 ? own_ms : common_ms;
    };
    const auto min_ms = choose(info_->unknown_backoff_min_ms, info_->backoff_min_ms);
    const auto max_ms = choose(info_->unknown_backoff_max_ms, info_->backoff_max_ms);
    const auto exponent = std::min(attempts, 20U);
    const auto ceiling_ms = std::min<double>(max_ms, min_ms * std::pow(2.0, exponent - 1));
    return Duration(static_cast<std::int64_t>(random_.unit() * ceiling_ms * 1000.0));
}

void Engine::retry_item(Item item, const Nack& nack, const std::shared_ptr<Pending>& pending) {
    const auto delay = nack.delay ? std::chrono::duration_cast<Duration>(*nack.delay)
                                  : backoff(nack.cause, item.attempts - item.attempts_before);
    if (item.letter) {
        retry_letter(item, nack, delay, pending);
        return;
    }
    flush_settlings(item.partition);
    const auto now = shard_.runtime().clock().unix_now();
    RetryCommand command{.key = progress_key(item.partition),
                         .offset = item.offset,
                         .attempts = item.attempts,
                         .not_before_us = now + delay.count(),
                         .first_failure_us = item.first_failure_us,
                         .failed = {}};
    if (!is_outage(nack.cause)) {
        command.failed = {.last_us = now,
                          .cause = nack.cause,
                          .error = nack.error.substr(0, failed_error_bytes_max)};
    }
    propose(command, pending, [this, command, key = std::move(item.key)] {
        const auto partition = command.key.partition;
        if (!is_current(partition, command.key.epoch)) {
            return;
        }
        if (flow_of(partition).progress.find_retry(command.offset) != nullptr) {
            wait(partition,
                 command.offset,
                 {.due_us = command.not_before_us, .is_retry = true, .key = key});
        } else {
            // Retention has passed by while it was in flight: it is settled and never comes again.
            release_key(partition, key);
        }
        pump_soon();
    });
}

bool Engine::stop_part(SessionId session, const Nack& nack) {
    if (nack.part.empty() || !is_outage(nack.cause)) {
        return false;
    }
    auto reason =
        std::string(name_of(nack.cause)) + ": " + nack.error.substr(0, letter_text_bytes_max);
    const auto part = nack.part.substr(0, letter_text_bytes_max);
    const auto stopped = parts_.stop(session, part, reason);
    if (stopped == StoppedParts::Stopped::newly) {
        log_warning("delivery", info_->name + ": " + part + " is stopped, " + reason);
    }
    return stopped != StoppedParts::Stopped::refused;
}

void Engine::trip(const Nack& nack) {
    if (circuit_.state() == Circuit::open) {
        return;
    }
    const bool opens = circuit_.state() == Circuit::closed;
    const auto delay = circuit_.trip(nack.cause,
                                     nack.error.substr(0, letter_text_bytes_max),
                                     shard_.runtime().clock().unix_now());
    metrics_->note_circuit(circuit_.state());
    log_warning("delivery",
                info_->name + ": circuit open for " + std::to_string(delay.count() / 1000) +
                    " ms, " + circuit_.reason());
    if (opens) {
        keep_circuit_change();
    }
    probe_after(delay);
}

void Engine::probe_after(Duration delay) {
    shard_.runtime().run_after(delay, [this, alive = is_alive_, round = ++circuit_round_] {
        if (*alive && round == circuit_round_ &&
            circuit_.allow_probe(shard_.runtime().clock().unix_now())) {
            metrics_->note_circuit(circuit_.state());
            log_info("delivery", info_->name + ": circuit half-open, one record goes as a probe");
            pump();
        }
    });
}

void Engine::keep_circuit_change() {
    propose(CircuitCommand{.subscription = info_->id, .change = circuit_.changes().back()},
            nullptr,
            [] {});
}

void Engine::close_circuit() {
    if (circuit_.close(shard_.runtime().clock().unix_now())) {
        metrics_->note_circuit(circuit_.state());
        log_info("delivery", info_->name + ": the target answers again, circuit closed");
        keep_circuit_change();
    }
}

void Engine::resume_circuit() {
    if (const auto delay = circuit_.resume(circuit_log_.changes())) {
        log_info("delivery", info_->name + ": circuit still open, " + circuit_.reason());
        probe_after(*delay);
    }
}

}  // namespace millrace::broker::delivery
