#include <algorithm>
#include <cmath>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/queue/engine.hpp"
#include "client/wire/record.hpp"
#include "storage/base/logging.hpp"

// How consumers come, settle and go.

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t response_bytes_max = 4096;
constexpr std::size_t error_bytes_max = 4096;

std::string cut(const std::string& text, std::size_t bytes_max) {
    return text.substr(0, bytes_max);
}

/// Neighbours become one run.
SettleCommand settle_command(const ProgressKey& key, std::vector<Offset>& offsets) {
    std::ranges::sort(offsets);
    SettleCommand command{.key = key, .runs = {}};
    for (const auto offset : offsets) {
        const bool is_next = !command.runs.empty() &&
                             command.runs.back().first + command.runs.back().second == offset;
        if (is_next) {
            ++command.runs.back().second;
        } else {
            command.runs.emplace_back(offset, 1);
        }
    }
    return command;
}

}  // namespace

/// One call of `settle` that waits for its commands.
struct Engine::Pending {
    std::vector<std::uint64_t> stale;
    std::optional<Error> error;
    std::size_t outstanding = 1;
    SettleDone done;

    void end_one() {
        if (--outstanding > 0 || !done) {
            return;
        }
        if (error) {
            done(*error);
        } else {
            done(std::move(stale));
        }
    }
};

void Engine::open(const Subscriptions::OpenRequest& request) {
    sessions_[request.session] = {.target = request.target,
                                  .consumer = request.consumer,
                                  .credit = request.credit,
                                  .batch = {}};
    shard_.runtime().post([this, alive = is_alive_] {
        if (*alive) {
            pump();
        }
    });
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

std::optional<Engine::InFlight> Engine::take_in_flight(SessionId session, std::uint64_t delivery) {
    const auto found = in_flight_.find(delivery);
    if (found == in_flight_.end() || found->second.session != session) {
        return std::nullopt;
    }
    auto taken = std::move(found->second);
    in_flight_.erase(found);
    give_back_credit(session);
    return taken;
}

ProgressKey Engine::progress_key(PartitionId partition) {
    const auto& progress = progress_of(partition);
    return {.subscription = info_->id,
            .partition = partition,
            .epoch = progress.epoch,
            .origin = progress.origin};
}

void Engine::propose(const Command& command,
                     const std::shared_ptr<Pending>& pending,
                     std::function<void()> applied) {
    ++pending->outstanding;
    shard_.propose(
        format_command(command),
        [pending, applied = std::move(applied), alive = is_alive_](const Result<void>& done) {
            if (!done) {
                pending->error = done.error();
            } else if (*alive) {
                applied();
            }
            pending->end_one();
        });
}

void Engine::settle_acks(SessionId session,
                         const std::vector<std::uint64_t>& acks,
                         const std::shared_ptr<Pending>& pending) {
    SettleRuns runs;
    std::vector<Item> acked_items;
    for (const auto id : acks) {
        auto taken = take_in_flight(session, id);
        if (!taken) {
            pending->stale.push_back(id);
            continue;
        }
        acked_.add();
        if (circuit_.close()) {
            log_info("delivery", info_->name + ": the target answers again, circuit closed");
        }
        if (taken->item.letter) {
            change_letter(taken->item, LetterState::resolved, {}, Cause::none, pending);
        } else {
            runs[taken->item.partition].push_back(taken->item.offset);
            acked_items.push_back(std::move(taken->item));
        }
    }
    // Commands of a turn are applied together, so the last one's turn is everyone's.
    auto items = std::make_shared<std::vector<Item>>(std::move(acked_items));
    for (auto at = runs.begin(); at != runs.end(); ++at) {
        const auto command = settle_command(progress_key(at->first), at->second);
        const bool is_last = std::next(at) == runs.end();
        auto released = is_last ? items : std::make_shared<std::vector<Item>>();
        propose(command, pending, [this, released] { release_keys(*released); });
    }
}

void Engine::release_keys(const std::vector<Item>& items) {
    if (items.empty()) {
        return;
    }
    for (const auto& item : items) {
        release_key(item);
    }
    pump();
}

void Engine::settle(SessionId session, const Settlement& settlement, SettleDone done) {
    auto pending = std::make_shared<Pending>();
    pending->done = std::move(done);
    settle_acks(session, settlement.acks, pending);
    for (const auto& nack_one : settlement.nacks) {
        if (auto taken = take_in_flight(session, nack_one.delivery_id)) {
            fail_item(std::move(taken->item), nack_one, pending);
        } else {
            pending->stale.push_back(nack_one.delivery_id);
        }
    }
    const auto extended = shard_.runtime().clock().steady_now() + settlement.extend_by;
    for (const auto id : settlement.extends) {
        const auto found = in_flight_.find(id);
        if (found != in_flight_.end() && found->second.session == session) {
            found->second.deadline = std::max(found->second.deadline, extended);
        } else {
            pending->stale.push_back(id);
        }
    }
    pending->end_one();
    pump();
}

void Engine::fail_item(Item item, const Nack& nack, const std::shared_ptr<Pending>& pending) {
    nacked_.add();
    switch (nack.cause) {
        case Cause::outage:
        case Cause::authorization:
        case Cause::configuration:
            requeue_front(std::move(item));
            trip(nack);
            return;
        default:
            break;
    }
    ++item.attempts;
    if (item.first_failure_us == 0) {
        item.first_failure_us = shard_.runtime().clock().unix_now();
    }
    if (nack.cause == Cause::mapping || nack.cause == Cause::poison) {
        open_letter(std::move(item), nack, nack.cause, pending);
    } else if (item.attempts - item.attempts_before >= info_->attempts_max) {
        open_letter(std::move(item), nack, Cause::poison, pending);
    } else {
        retry_item(std::move(item), nack, pending);
    }
}

void Engine::trip(const Nack& nack) {
    const bool was_open = circuit_.state() == Circuit::open;
    if (was_open) {
        return;
    }
    const auto delay =
        circuit_.trip(std::string(name_of(nack.cause)) + ": " + cut(nack.error, error_bytes_max));
    log_warning("delivery",
                info_->name + ": circuit open for " + std::to_string(delay.count() / 1000) +
                    " ms, " + circuit_.reason());
    shard_.runtime().run_after(delay, [this, alive = is_alive_] {
        if (*alive) {
            circuit_.allow_probe();
            pump();
        }
    });
}

Duration Engine::backoff(std::uint32_t attempts) {
    const auto exponent = std::min(attempts, 20U);
    const auto ceiling_ms = std::min<double>(info_->backoff_max_ms,
                                             info_->backoff_min_ms * std::pow(2.0, exponent - 1));
    return Duration(static_cast<std::int64_t>(random_.unit() * ceiling_ms * 1000.0));
}

void Engine::retry_item(Item item, const Nack& nack, const std::shared_ptr<Pending>& pending) {
    const auto now = shard_.runtime().clock().unix_now();
    const auto delay = nack.delay ? std::chrono::duration_cast<Duration>(*nack.delay)
                                  : backoff(item.attempts - item.attempts_before);
    if (item.letter) {
        retry_letter(item, delay);
        return;
    }
    const RetryCommand command{.key = progress_key(item.partition),
                               .offset = item.offset,
                               .attempts = item.attempts,
                               .not_before_us = now + delay.count(),
                               .first_failure_us = item.first_failure_us};
    propose(command, pending, [this, command, key = item.key] {
        auto& retries = progress_of(command.key.partition).retries;
        if (const auto retry = retries.find(command.offset); retry != retries.end()) {
            retry->second.key = key;
        }
        arm_retry(command.key.partition, command.offset, command.not_before_us);
    });
}

void Engine::retry_letter(const Item& item, Duration delay) {
    // After a restart it is still redriven, and goes out again with a fresh budget.
    letter_failures_[*item.letter] = item.attempts - item.attempts_before;
    shard_.runtime().run_after(delay,
                               [this, alive = is_alive_, id = *item.letter, round = letter_round_] {
                                   if (*alive && round == letter_round_) {
                                       redriven_.push_front(id);
                                       pump();
                                   }
                               });
}

void Engine::arm_retry(PartitionId partition, Offset offset, UnixMicros not_before_us) {
    const auto delay =
        std::max<std::int64_t>(0, not_before_us - shard_.runtime().clock().unix_now());
    shard_.runtime().run_after(
        Duration(delay),
        [this, alive = is_alive_, partition, offset, epoch = progress_of(partition).epoch] {
            if (!*alive || progress_of(partition).epoch != epoch) {
                return;
            }
            const auto& retries = progress_of(partition).retries;
            const auto retry = retries.find(offset);
            read_one(partition, offset, retry == retries.end() ? "" : retry->second.key);
        });
}

void Engine::open_letter(Item item,
                         const Nack& nack,
                         Cause cause,
                         const std::shared_ptr<Pending>& pending) {
    if (item.letter) {
        change_letter(item, LetterState::open, nack, cause, pending);
        return;
    }
    const auto now = shard_.runtime().clock().unix_now();
    LetterOpenCommand command{.key = progress_key(item.partition), .letter = {}};
    auto& letter = command.letter;
    const auto view = shard_.catalog().view();
    if (const auto* const ref = view->find(item.partition)) {
        letter.topic = ref->topic->name;
        letter.partition_index = ref->index;
    }
    letter.subscription = info_->name;
    letter.partition = item.partition;
    letter.offset = item.offset;
    letter.epoch = command.key.epoch;
    letter.key = item.key;
    letter.cause = cause;
    letter.error = cut(nack.error, error_bytes_max);
    letter.response = cut(nack.response, response_bytes_max);
    letter.attempts = item.attempts;
    letter.first_failure_us = item.first_failure_us;
    letter.last_failure_us = now;
    letter.append_time_us = item.append_time_us;
    if (const auto record = wire::parse_plain_record(item.record)) {
        letter.correlation_id = std::string(record.value().header("correlation-id").value_or(""));
    }
    letter.actions.push_back(
        {.time_us = now, .action = "opened", .by = "broker", .text = std::string(name_of(cause))});
    letter.record = std::move(item.record);
    letters_opened_.add();
    propose(command, pending, [this] { pump(); });
}

void Engine::change_letter(const Item& item,
                           LetterState state,
                           const Nack& nack,
                           Cause cause,
                           const std::shared_ptr<Pending>& pending) {
    const bool is_failure = state == LetterState::open;
    LetterChangeCommand command{
        .subscription = info_->id,
        .id = *item.letter,
        .state = state,
        .cause = cause,
        .error = cut(nack.error, error_bytes_max),
        .response = cut(nack.response, response_bytes_max),
        .attempts = is_failure ? item.attempts : 0,
        .action = {.time_us = shard_.runtime().clock().unix_now(),
                   .action = is_failure ? "failed again" : "resolved",
                   .by = "broker",
                   .text = is_failure ? cut(nack.error, error_bytes_max) : ""},
        .edited = {}};
    propose(command, pending, [] {});
}

void Engine::close(SessionId session) {
    sessions_.erase(session);
    std::vector<std::pair<std::uint64_t, Item>> back;
    for (auto& [id, flight] : in_flight_) {
        if (flight.session == session) {
            back.emplace_back(id, std::move(flight.item));
        }
    }
    std::ranges::sort(back, std::greater{}, &std::pair<std::uint64_t, Item>::first);
    for (auto& [id, item] : back) {
        in_flight_.erase(id);
        requeue_front(std::move(item));
    }
    pump();
}

void Engine::look_at_deadlines() {
    const auto now = shard_.runtime().clock().steady_now();
    std::vector<std::uint64_t> late;
    for (const auto& [id, flight] : in_flight_) {
        if (flight.deadline <= now) {
            late.push_back(id);
        }
    }
    auto pending = std::make_shared<Pending>();
    for (const auto id : late) {
        auto taken = take_in_flight(in_flight_.at(id).session, id);
        fail_item(std::move(taken->item),
                  {.delivery_id = id,
                   .cause = Cause::transient,
                   .delay = {},
                   .error = "not settled within the ack timeout",
                   .response = {}},
                  pending);
    }
    pending->end_one();
}

}  // namespace millrace::broker::delivery
