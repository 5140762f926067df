#include <algorithm>
#include <set>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/jobs/replay/origin.hpp"
#include "broker/delivery/letters/letter_history.hpp"
#include "broker/delivery/letters/letter_limits.hpp"
#include "broker/delivery/queue/engine.hpp"
#include "broker/delivery/queue/engine_pending.hpp"
#include "client/wire/record.hpp"
#include "storage/base/logging.hpp"

// What becomes of a record that is given up, and of one that is sent again.

namespace millrace::broker::delivery {

void Engine::give_up_item(Item item,
                          const Nack& nack,
                          Cause cause,
                          const std::shared_ptr<Pending>& pending) {
    if (info_->dead_letter == DeadLetterRule::drop && !item.letter) {
        drop_item(item, nack, cause, pending);
    } else {
        open_letter(std::move(item), nack, cause, pending);
    }
}

void Engine::drop_item(const Item& item,
                       const Nack& nack,
                       Cause cause,
                       const std::shared_ptr<Pending>& pending) {
    metrics_->dropped[static_cast<std::size_t>(cause)]->add();
    log_warning("delivery",
                info_->name + ": partition " + std::to_string(item.partition.value) + ", offset " +
                    std::to_string(item.offset.value) + " is dropped after " +
                    std::to_string(item.attempts) + " attempts, " + std::string(name_of(cause)) +
                    ": " + nack.error.substr(0, letter_text_bytes_max));
    settle_record(item.partition, item.offset, item.key, pending);
}

void Engine::open_letter(Item item,
                         const Nack& nack,
                         Cause cause,
                         const std::shared_ptr<Pending>& pending) {
    if (item.letter) {
        change_letter(item, LetterState::open, nack, cause, pending);
        return;
    }
    if (const auto bytes = item.record.size() + item.key.size(); bytes > letter_record_bytes_max) {
        // Only of a time before publishes were checked. Nothing is lost: the record stays the head
        // of its key, and the subscription says why.
        requeue_front(std::move(item));
        trip({.cause = Cause::configuration,
              .error = "a record of " + std::to_string(bytes) +
                       " bytes is too large for a dead letter, limit letter_record_bytes_max is " +
                       std::to_string(letter_record_bytes_max) + ": " + nack.error});
        return;
    }
    flush_settlings(item.partition);
    const auto now = shard_.runtime().clock().unix_now();
    LetterOpenCommand command{.key = progress_key(item.partition), .letter = {}};
    auto& letter = command.letter;
    const auto origin =
        origin_of(*shard_.catalog().view(), item.partition, item.offset, item.record);
    letter.topic = origin.topic;
    letter.partition_index = origin.partition_index;
    if (is_replayed(item.partition)) {
        letter.origin_offset = origin.offset;
    }
    letter.subscription = info_->name;
    letter.partition = item.partition;
    letter.offset = item.offset;
    letter.epoch = command.key.epoch;
    letter.key = item.key;
    letter.cause = cause;
    letter.error = nack.error.substr(0, letter_text_bytes_max);
    letter.response = nack.response.substr(0, letter_text_bytes_max);
    letter.attempts = item.attempts;
    letter.first_failure_us = item.first_failure_us == 0 ? now : item.first_failure_us;
    letter.last_failure_us = now;
    letter.append_time_us = item.append_time_us;
    if (const auto record = wire::parse_plain_record(item.record)) {
        const auto id = record.value().header("correlation-id").value_or("");
        letter.correlation_id = std::string(id.substr(0, letter_correlation_bytes_max));
    }
    if (const auto* const retry = flow_of(item.partition).progress.find_retry(item.offset)) {
        append_failures(letter.actions, retry->reasons);
    }
    letter.actions.push_back({.time_us = now,
                              .action = letter_opened,
                              .by = "broker",
                              .text = std::string(name_of(cause))});
    letter.record = std::move(item.record);
    metrics_->letters.add();
    propose(command, pending, [this] { pump_soon(); });
}

void Engine::change_letter(const Item& item,
                           LetterState state,
                           const Nack& nack,
                           Cause cause,
                           const std::shared_ptr<Pending>& pending) {
    const bool is_failure = state == LetterState::open;
    const auto error = nack.error.substr(0, letter_text_bytes_max);
    const LetterChangeCommand command{.subscription = info_->id,
                                      .id = *item.letter,
                                      .state = state,
                                      .cause = cause,
                                      .error = error,
                                      .response = nack.response.substr(0, letter_text_bytes_max),
                                      .attempts = is_failure ? item.attempts : 0,
                                      .action = {.time_us = shard_.runtime().clock().unix_now(),
                                                 .action = is_failure ? "failed again" : "resolved",
                                                 .by = "broker",
                                                 .text = is_failure ? error : ""},
                                      .edited = {}};
    propose(command,
            pending,
            [this, is_failure, append_time_us = item.append_time_us, attempts = item.attempts] {
                if (!is_failure) {
                    note_settled(shard_.runtime().clock().unix_now(), append_time_us, attempts + 1);
                }
            });
}

void Engine::retry_letter(const Item& item,
                          const Nack& nack,
                          Duration delay,
                          const std::shared_ptr<Pending>& pending) {
    const WaitRef ref{.partition = item.partition, .number = *item.letter, .is_letter = true};
    const auto wait = [this, ref, delay] {
        wheel_.add(shard_.runtime().clock().steady_now() + delay, ref);
        arm();
    };
    if (is_outage(nack.cause)) {
        wait();
        return;
    }
    const LetterRetryCommand command{
        .subscription = info_->id,
        .id = *item.letter,
        .failed = {.last_us = shard_.runtime().clock().unix_now(),
                   .cause = nack.cause,
                   .error = nack.error.substr(0, failed_error_bytes_max)}};
    propose(command, pending, [this, wait, ref, epoch = known_epoch(ref.partition)] {
        // A seek in between has made it ready already, or let go of it.
        const auto now = known_epoch(ref.partition);
        if (!now || now == epoch) {
            wait();
        }
    });
}

std::optional<std::uint32_t> Engine::known_epoch(PartitionId partition) const {
    const auto found = flows_.find(partition);
    return found == flows_.end() ? std::nullopt : std::optional(found->second.progress.epoch());
}

Item Engine::item_of(const Letter& letter) const {
    return {.partition = letter.partition,
            .offset = letter.offset,
            .append_time_us = letter.append_time_us,
            .attempts = letter.attempts + letter.tries,
            .attempts_before = letter.attempts,
            .first_failure_us = letter.first_failure_us,
            .times = {},
            .key = letter.key,
            .letter = letter.id,
            .record = letter.edited.empty() ? letter.record : letter.edited};
}

void Engine::take_letters(const std::function<bool(PartitionId)>& is_taken) {
    letters_open_ = 0;
    const auto waiting = std::exchange(redriven_, {});
    const std::set<std::uint64_t> before(waiting.begin(), waiting.end());
    wheel_.erase_if([&](const WaitRef& ref) { return ref.is_letter && is_taken(ref.partition); });
    drop_flights(
        [&](const Item& item) { return item.letter.has_value() && is_taken(item.partition); });
    std::vector<std::uint64_t> redelivered;
    const auto visited = letters_.visit_active(info_->id, [&](const LetterBrief& letter) {
        ++letters_open_;
        const bool is_kept = !is_taken(letter.partition);
        if (is_kept && before.contains(letter.id)) {
            redriven_.push_back(letter.id);
        }
        if (is_kept) {
            return true;
        }
        if (is_superseded(letter.partition, letter.offset, letter.epoch)) {
            redelivered.push_back(letter.id);
            return true;
        }
        if (is_ordered(letter.key)) {
            keys_.hold_for_letter(letter.partition, letter.key, letter.id);
        }
        if (letter.state == LetterState::redriven) {
            redriven_.push_back(letter.id);
        }
        return true;
    });
    if (!visited) {
        log_error("delivery", info_->name + ": " + visited.error().text);
    }
    for (const auto id : redelivered) {
        supersede(id);
    }
}

bool Engine::is_superseded(PartitionId partition, Offset offset, std::uint32_t epoch) const {
    const auto found = flows_.find(partition);
    return found != flows_.end() && epoch < found->second.progress.epoch() &&
           offset >= found->second.progress.origin();
}

void Engine::supersede(std::uint64_t letter) {
    const LetterChangeCommand command{.subscription = info_->id,
                                      .id = letter,
                                      .state = LetterState::discarded,
                                      .error = {},
                                      .response = {},
                                      .action = {.time_us = shard_.runtime().clock().unix_now(),
                                                 .action = "superseded",
                                                 .by = "broker",
                                                 .text = "a seek delivers the record anew"},
                                      .edited = {}};
    propose(command, nullptr, [] {});
}

}  // namespace millrace::broker::delivery
