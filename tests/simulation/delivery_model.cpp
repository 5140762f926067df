#include "tests/simulation/delivery_model.hpp"

#include <algorithm>
#include <utility>

#include "client/wire/record.hpp"

namespace millrace::simulation {

void DeliveryModel::complain(RecordId id, const std::string& text) {
    violations_.push_back("partition " + std::to_string(id.partition.value) + " offset " +
                          std::to_string(id.offset.value) + ": " + text);
}

void DeliveryModel::publish(RecordId id, const Traits& traits) {
    const auto [entry, is_new] = entries_.try_emplace(id);
    if (is_new) {
        entry->second.traits = traits;
        entry->second.state = traits.is_wanted ? State::waiting : State::settled;
    } else if (entry->second.traits.value != traits.value) {
        complain(id, "has another value than it was published with: " + traits.value);
    }
}

DeliveryModel::Entry* DeliveryModel::find(std::uint64_t delivery) {
    const auto found = by_delivery_.find(delivery);
    if (found == by_delivery_.end()) {
        return nullptr;
    }
    auto& entry = entries_.at(found->second);
    const bool is_out = entry.state == State::in_flight || entry.state == State::asked;
    return is_out && entry.delivery == delivery ? &entry : nullptr;
}

void DeliveryModel::fail(Entry& entry, Cause cause, SteadyTime now) const {
    const auto again = entry.is_letter ? State::redriven : State::waiting;
    entry.not_before = now + entry.delay;
    switch (cause) {
        case Cause::outage:
        case Cause::authorization:
        case Cause::configuration:
            entry.state = again;
            entry.not_before = now;
            return;
        case Cause::mapping:
        case Cause::poison:
            ++entry.attempts;
            break;
        default:
            ++entry.attempts;
            if (entry.attempts - entry.attempts_before < rules_.attempts_max) {
                entry.state = again;
                return;
            }
    }
    entry.state = State::letter;
    entry.is_letter = true;
    entry.letter_attempts = entry.attempts;
}

void DeliveryModel::check_order(RecordId id, const Entry& entry, SteadyTime now) {
    if (entry.traits.key.empty()) {
        return;
    }
    for (auto& [other_id, other] : entries_) {
        if (other_id.partition != id.partition || other_id == id ||
            other.traits.key != entry.traits.key) {
            continue;
        }
        if (other.state == State::in_flight && other.deadline > now) {
            complain(id,
                     "delivered while offset " + std::to_string(other_id.offset.value) +
                         " of its key is in flight");
        }
        if (other_id.offset > id.offset || is_over(other) || has_expired(other, now)) {
            continue;
        }
        const bool is_acked = other.state == State::asked && other.asked == Cause::none;
        if (other.may_be_settled) {
            other.may_be_settled = false;
            other.state = State::settled;
        } else if (!is_acked && !is_gone(other, now)) {
            complain(id,
                     "delivered before offset " + std::to_string(other_id.offset.value) +
                         " of its key is settled, which is in state " +
                         std::to_string(static_cast<int>(other.state)) +
                         (other.may_have_failed ? " or has failed" : ""));
        }
    }
}

void DeliveryModel::check_times(RecordId id, const Entry& entry, SteadyTime now) {
    if (is_held_) {
        complain(id, "delivered while the subscription is paused or draining");
    }
    if (now < entry.not_before) {
        complain(id,
                 "delivered " + std::to_string((entry.not_before - now).count()) +
                     " us before its delay is over");
    }
    if (now < entry.traits.deliver_after) {
        complain(id, "delivered before its deliver-after");
    }
    if (has_expired(entry, now)) {
        complain(id, "delivered after its expires-at");
    }
    if (now < circuit_open_until_) {
        complain(id, "delivered while the circuit is open");
    }
}

/// The one that is just delivered is not in flight yet.
void DeliveryModel::check_concurrency(RecordId id, SteadyTime now) {
    const auto count = static_cast<std::size_t>(std::ranges::count_if(entries_, [&](auto& one) {
        return one.second.state == State::in_flight && one.second.deadline > now;
    }));
    if (rules_.concurrency_max > 0 && count >= rules_.concurrency_max) {
        complain(id, "delivered while " + std::to_string(count) + " are in flight already");
    }
}

void DeliveryModel::deliver(SessionId session, const Delivery& delivery, SteadyTime now) {
    ++deliveries_;
    const RecordId id{.partition = delivery.partition, .offset = delivery.offset};
    const auto found = entries_.find(id);
    if (found == entries_.end()) {
        complain(id, "delivered and never published");
        return;
    }
    auto& entry = found->second;
    // What was asked may have come too late, and the answer says so afterwards.
    const bool is_out = entry.state == State::in_flight || entry.state == State::asked;
    if (is_out && entry.deadline <= now) {
        entry.delay = Duration{0};
        fail(entry, Cause::transient, now);
    }
    if (entry.state == State::letter && entry.may_be_redriven) {
        take_redrive(entry);
    }
    if (entry.state != State::waiting && entry.state != State::redriven) {
        complain(id, "delivered in state " + std::to_string(static_cast<int>(entry.state)));
    }
    check_times(id, entry, now);
    check_concurrency(id, now);
    const auto attempt = entry.attempts + 1;
    if (entry.may_have_failed && delivery.attempt == attempt + 1) {
        ++entry.attempts;
    } else if (delivery.attempt != attempt) {
        complain(id,
                 "attempt " + std::to_string(delivery.attempt) + " instead of " +
                     std::to_string(attempt));
    }
    check_order(id, entry, now);
    check_record(id, entry, delivery);
    entry.may_be_settled = false;
    entry.may_have_failed = false;
    entry.state = State::in_flight;
    entry.session = session;
    entry.delivery = delivery.delivery_id;
    const auto end = (now + rules_.ack_timeout).time_since_epoch();
    entry.deadline = SteadyTime((end + rules_.tick - Duration{1}) / rules_.tick * rules_.tick);
    by_delivery_[delivery.delivery_id] = id;
}

void DeliveryModel::check_record(RecordId id, Entry& entry, const Delivery& delivery) {
    if (std::exchange(entry.may_be_edited, false)) {
        const auto asked = std::exchange(entry.asked_edits, {});
        const auto had_effect = std::ranges::find_if(
            asked, [&](const auto& edited) { return std::ranges::equal(edited, delivery.record); });
        if (had_effect != asked.end()) {
            entry.edited = *had_effect;
        } else if (std::ranges::find(asked, std::vector<std::byte>()) == asked.end()) {
            complain(id, "delivered without any of the mends that were asked for");
        }
    }
    if (!entry.edited.empty()) {
        if (!std::ranges::equal(entry.edited, delivery.record)) {
            complain(id, "delivered without what its letter was mended to");
        }
        return;
    }
    const auto record = wire::parse_plain_record(delivery.record);
    if (!record) {
        complain(id, "delivered as what is no record: " + record.error().text);
    } else if (record.value().value != entry.traits.value ||
               record.value().key.value_or("") != entry.traits.key) {
        complain(id,
                 "delivered with value " + std::string(record.value().value) + " instead of " +
                     entry.traits.value + ", key " + std::string(record.value().key.value_or("")) +
                     " instead of " + entry.traits.key);
    }
}

void DeliveryModel::ask_ack(std::uint64_t delivery) {
    if (auto* const entry = find(delivery)) {
        entry->state = State::asked;
        entry->asked = Cause::none;
        circuit_open_until_ = {};
    }
}

void DeliveryModel::ask_nack(std::uint64_t delivery, Cause cause, Duration delay, SteadyTime now) {
    if (auto* const entry = find(delivery)) {
        entry->state = State::asked;
        entry->asked = cause;
        entry->asked_at = now;
        entry->delay = delay;
    }
}

void DeliveryModel::settled(std::uint64_t delivery) {
    auto* const entry = find(delivery);
    if (entry == nullptr || entry->state != State::asked) {
        violations_.push_back("delivery " + std::to_string(delivery) +
                              " is settled, but was not in flight any more");
        return;
    }
    if (entry->asked == Cause::none) {
        entry->state = entry->is_letter ? State::ended : State::settled;
        return;
    }
    if (entry->asked == Cause::outage && circuit_open_until_ <= entry->asked_at) {
        circuit_open_until_ = entry->asked_at + rules_.probe_delay_min;
    }
    fail(*entry, entry->asked, entry->asked_at);
}

void DeliveryModel::went_stale(std::uint64_t delivery, SteadyTime now) {
    auto* const entry = find(delivery);
    if (entry != nullptr && entry->deadline > now) {
        complain(by_delivery_.at(delivery), "called stale within its ack timeout");
    }
}

void DeliveryModel::pass(SteadyTime now) {
    for (auto& [id, entry] : entries_) {
        if (entry.state == State::in_flight && entry.deadline <= now) {
            entry.delay = Duration{0};
            fail(entry, Cause::transient, entry.deadline);
        }
    }
}

void DeliveryModel::close(SessionId session) {
    for (auto& [id, entry] : entries_) {
        if (entry.state == State::in_flight && entry.session == session) {
            entry.state = entry.is_letter ? State::redriven : State::waiting;
        }
    }
}

void DeliveryModel::redrive(RecordId id) {
    auto& entry = entries_.at(id);
    if (entry.state == State::letter) {
        entry.may_be_edited = entry.may_be_redriven;
        entry.asked_edits.emplace_back();
        entry.state = State::redriven;
        entry.attempts_before = entry.attempts;
        entry.not_before = {};
    }
}

void DeliveryModel::ask_redrive(RecordId id, std::vector<std::byte> edited) {
    auto& entry = entries_.at(id);
    if (!std::exchange(entry.may_be_redriven, true)) {
        entry.asked_edits.clear();
    }
    entry.asked_edits.push_back(std::move(edited));
}

void DeliveryModel::take_redrive(Entry& entry) {
    entry.state = State::redriven;
    entry.attempts_before = entry.attempts;
    entry.not_before = {};
    entry.may_be_redriven = false;
    entry.may_be_edited = true;
}

void DeliveryModel::discard(RecordId id) {
    auto& entry = entries_.at(id);
    if (entry.state == State::letter) {
        entry.state = State::ended;
    }
}

void DeliveryModel::seek(PartitionId partition, Offset origin) {
    ++epochs_[partition];
    for (auto& [id, entry] : entries_) {
        if (id.partition != partition) {
            continue;
        }
        if (id.offset >= origin) {
            const auto traits = entry.traits;
            entry = {};
            entry.traits = traits;
            entry.state = traits.is_wanted ? State::waiting : State::settled;
        } else if (!entry.is_letter) {
            entry.state = State::settled;
        } else if (entry.state == State::in_flight || entry.state == State::redriven) {
            entry.state = State::redriven;
            entry.not_before = {};
        }
    }
}

void DeliveryModel::retire(PartitionId partition, Offset first) {
    for (auto& [id, entry] : entries_) {
        entry.may_be_gone |= id.partition == partition && id.offset < first;
    }
}

void DeliveryModel::lose(PartitionId partition) {
    for (auto& [id, entry] : entries_) {
        if (id.partition == partition && !entry.is_letter) {
            entry.state = State::settled;
        }
    }
}

bool DeliveryModel::recover_letter(RecordId id,
                                   Entry& entry,
                                   const Letters& letters,
                                   SteadyTime now) {
    const auto found = letters.find(id);
    const bool may_have_failed =
        entry.state == State::asked || (entry.state == State::in_flight && entry.deadline <= now);
    if (found == letters.end()) {
        return false;
    }
    const auto& letter = found->second;
    // A letter of the time before a seek says nothing of what was asked since.
    const bool is_new = may_have_failed && letter.epoch >= epochs_[id.partition] &&
                        letter.state != LetterState::discarded;
    if (!entry.is_letter && !is_new) {
        return false;
    }
    const bool is_out = letter.state == LetterState::redriven;
    if (is_out && entry.state == State::letter) {
        if (!entry.may_be_redriven) {
            complain(id, "its letter is redriven, and nobody asked for it");
        }
        take_redrive(entry);
    }
    const auto tries = is_out ? entry.attempts - entry.attempts_before : 0;
    if (is_out && letter.tries != tries && !(may_have_failed && letter.tries == tries + 1)) {
        complain(id,
                 "its letter tells " + std::to_string(letter.tries) + " tries instead of " +
                     std::to_string(tries));
    }
    entry.is_letter = true;
    entry.letter_attempts = entry.attempts_before = letter.attempts;
    entry.attempts = letter.attempts + letter.tries;
    entry.state = is_out                              ? State::redriven
                  : letter.state == LetterState::open ? State::letter
                                                      : State::ended;
    return true;
}

void DeliveryModel::recover(RecordId id, Entry& entry, const Letters& letters, SteadyTime now) {
    if (recover_letter(id, entry, letters, now)) {
        return;
    }
    const bool is_late = entry.deadline <= now;
    if (entry.is_letter) {
        complain(id, "its dead letter is lost");
    } else if (entry.state == State::asked) {
        entry.may_be_settled = entry.asked == Cause::none;
        entry.may_have_failed = entry.asked != Cause::none || is_late;
        entry.state = State::waiting;
    } else if (entry.state == State::in_flight) {
        entry.may_have_failed = is_late;
        entry.state = State::waiting;
    }
}

void DeliveryModel::restart(const Letters& letters, SteadyTime now) {
    by_delivery_.clear();
    circuit_open_until_ = {};
    for (auto& [id, entry] : entries_) {
        if (entry.state != State::waiting) {
            entry.not_before = {};  // the delay of a retry is durable, that of a redrive is not
        }
        recover(id, entry, letters, now);
        entry.may_be_redriven = false;
    }
}

void DeliveryModel::check_letters(const Letters& letters) {
    for (auto& [id, entry] : entries_) {
        const auto found = letters.find(id);
        if (entry.state == State::letter && entry.may_be_redriven && found != letters.end() &&
            found->second.state == LetterState::redriven) {
            take_redrive(entry);
        }
        entry.may_be_redriven = false;
        check_letter(id, entry, letters);
    }
}

void DeliveryModel::check_letter(RecordId id, const Entry& entry, const Letters& letters) {
    const auto found = letters.find(id);
    if (found == letters.end()) {
        if (entry.is_letter) {
            complain(id, "its dead letter is missing");
        }
        return;
    }
    const auto& letter = found->second;
    const bool is_out = entry.is_letter && !is_over(entry) && entry.state != State::letter;
    if ((letter.state == LetterState::open) != (entry.state == State::letter)) {
        complain(id,
                 "its letter should be " +
                     std::string(entry.state == State::letter ? "open" : "closed"));
    } else if ((letter.state == LetterState::redriven) != is_out) {
        complain(id, "its letter should " + std::string(is_out ? "" : "not ") + "be redriven");
    }
    if (entry.state == State::letter && letter.attempts != entry.letter_attempts) {
        complain(id,
                 "its letter tells " + std::to_string(letter.attempts) + " attempts instead of " +
                     std::to_string(entry.letter_attempts));
    }
    const auto tries = entry.attempts - entry.attempts_before;
    if (entry.state == State::redriven && letter.tries != tries) {
        complain(id,
                 "its letter tells " + std::to_string(letter.tries) + " tries instead of " +
                     std::to_string(tries));
    }
}

void DeliveryModel::check_drained(SteadyTime now) {
    for (const auto& [id, entry] : entries_) {
        // Whether those that may be over are so is for the broker to say: see its lag.
        const bool may_be_over =
            entry.may_be_settled || is_gone(entry, now) || has_expired(entry, now);
        if (!is_over(entry) && !may_be_over) {
            complain(id, "never settled, state " + std::to_string(static_cast<int>(entry.state)));
        }
    }
}

std::vector<std::uint64_t> DeliveryModel::in_flight(SessionId session) const {
    std::vector<std::uint64_t> found;
    for (const auto& [id, entry] : entries_) {
        if (entry.state == State::in_flight && entry.session == session) {
            found.push_back(entry.delivery);
        }
    }
    return found;
}

std::vector<RecordId> DeliveryModel::letters(LetterState state) const {
    const auto wanted = state == LetterState::open ? State::letter : State::redriven;
    std::vector<RecordId> found;
    for (const auto& [id, entry] : entries_) {
        if (entry.state == wanted) {
            found.push_back(id);
        }
    }
    return found;
}

}  // namespace millrace::simulation
