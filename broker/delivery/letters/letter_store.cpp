#include "broker/delivery/letters/letter_store.hpp"

#include <algorithm>
#include <charconv>
#include <numeric>

#include "broker/delivery/letters/letter_history.hpp"
#include "broker/delivery/letters/letter_row.hpp"
#include "broker/delivery/letters/letter_shards.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::string_view sequence_key = "m/letters";
constexpr std::string_view bytes_prefix = "b/";
constexpr int dropped_per_change_max = 64;  ///< so that no command takes long

bool is_active(LetterState state) {
    return state == LetterState::open || state == LetterState::redriven;
}

std::uint64_t bytes_of(const Letter& letter) {
    return letter.record.size() + letter.edited.size() + letter.error.size() +
           letter.response.size() + letter.key.size() + history_bytes(letter.actions) +
           std::accumulate(letter.failing.begin(),
                           letter.failing.end(),
                           std::size_t{0},
                           [](std::size_t sum, const auto& failed) {
                               return sum + sizeof(failed.last_us) + failed.error.size();
                           });
}

/// The last thing that happened to one that is over.
UnixMicros settled_us(const Letter& letter) {
    return letter.actions.empty() ? 0 : letter.actions.back().time_us;
}

/// Nothing asks for the brief of a letter that is over.
std::string format_brief(const Letter& letter) {
    if (!is_active(letter.state)) {
        return std::to_string(settled_us(letter)) + " " + std::to_string(bytes_of(letter));
    }
    return std::to_string(letter.partition.value) + "/" + std::to_string(letter.offset.value) +
           "/" + std::to_string(letter.epoch) + "/" + letter.key;
}

/// Two people, or a person and a job, may decide on one letter at a time: the first one counts, or
/// its key would be released twice.
bool may_follow(LetterState from, const LetterChangeCommand& command) {
    switch (from) {
        case LetterState::open:
            return true;
        case LetterState::redriven:
            return command.state != LetterState::redriven;
        default:
            return false;
    }
}

}  // namespace

Result<void> LetterStore::restore() {
    last_sequence_ = 0;
    counts_.clear();
    bytes_.clear();
    settled_.clear();
    MILLRACE_TRY(
        store_.visit_state(bytes_prefix, "", [this](std::string_view key, std::string_view value) {
            key.remove_prefix(bytes_prefix.size());
            const auto subscription = take_row_number<std::uint32_t>(key);
            bytes_[subscription] = take_row_number<std::uint64_t>(value);
            return true;
        }));
    MILLRACE_TRY(const auto last, store_.get_state(sequence_key));
    if (last) {
        (void)std::from_chars(last->data(), last->data() + last->size(), last_sequence_);
    }
    return store_.visit_state(
        letter_index_prefix, "", [this](std::string_view key, std::string_view value) {
            key.remove_prefix(letter_index_prefix.size());
            const auto subscription = take_row_number<std::uint32_t>(key);
            const auto state = static_cast<LetterState>(take_row_number<std::uint32_t>(key));
            const auto cause = take_row_number<std::size_t>(key);
            ++counts_[{subscription, state}][cause % cause_count];
            if (!is_active(state)) {
                // The earlier form has a brief there as well, and counts as old and small.
                const bool is_earlier = value.find('/') < value.find(' ');
                const auto time_us = is_earlier ? 0 : take_row_number<UnixMicros>(value);
                const auto bytes = is_earlier ? 0 : take_row_number<std::uint64_t>(value);
                const Place place{.state = state, .cause = static_cast<Cause>(cause % cause_count)};
                settled_[subscription].add(
                    time_us, take_row_number<std::uint64_t>(key), {.place = place, .bytes = bytes});
            }
            return true;
        });
}

void LetterStore::Settled::add(UnixMicros time_us, std::uint64_t id, One one) {
    letters.emplace(std::pair(time_us, id), one);
    bytes += one.bytes;
}

void LetterStore::Settled::drop_oldest() {
    bytes -= letters.begin()->second.bytes;
    letters.erase(letters.begin());
}

bool LetterStore::has_too_many(const Settled& settled) const {
    return settled.letters.size() > limits_.settled_letters_max ||
           (settled.bytes > limits_.settled_letters_bytes_max && settled.letters.size() > 1);
}

void LetterStore::drop_settled(std::uint32_t subscription) {
    auto& settled = settled_[subscription];
    for (auto left = dropped_per_change_max; left > 0 && has_too_many(settled); --left) {
        const auto [when, oldest] = *settled.letters.begin();
        const auto id = when.second;
        settled.drop_oldest();
        erase_index(subscription, oldest.place, id);
        store_.erase_state(letter_key(subscription, id));
    }
}

void LetterStore::put(std::uint32_t subscription, const Letter& letter) {
    store_.put_state(letter_key(subscription, letter.id), format_letter(letter));
    store_.put_state(
        letter_index(subscription, letter.state, letter.cause) + letter_id_text(letter.id),
        format_brief(letter));
    ++counts_[{subscription, letter.state}][static_cast<std::size_t>(letter.cause)];
    if (is_active(letter.state)) {
        put_bytes(subscription, bytes_[subscription] + bytes_of(letter));
    } else {
        settled_[subscription].add(
            settled_us(letter),
            letter.id,
            {.place = {.state = letter.state, .cause = letter.cause}, .bytes = bytes_of(letter)});
    }
}

void LetterStore::put_bytes(std::uint32_t subscription, std::uint64_t bytes) {
    bytes_[subscription] = bytes;
    store_.put_state(std::string(bytes_prefix) + std::to_string(subscription),
                     std::to_string(bytes));
}

void LetterStore::erase_index(std::uint32_t subscription, Place place, std::uint64_t id) {
    store_.erase_state(letter_index(subscription, place.state, place.cause) + letter_id_text(id));
    auto& count = counts_[{subscription, place.state}][static_cast<std::size_t>(place.cause)];
    count -= std::min<std::uint64_t>(count, 1);
}

void LetterStore::erase_brief(std::uint32_t subscription, const Letter& letter) {
    erase_index(subscription, {.state = letter.state, .cause = letter.cause}, letter.id);
    if (is_active(letter.state)) {
        const auto bytes = bytes_[subscription];
        put_bytes(subscription, bytes - std::min(bytes, bytes_of(letter)));
    }
}

std::uint64_t LetterStore::open(std::uint32_t subscription, Letter letter) {
    letter.id = ++last_sequence_ * groups_per_sequence + group_.value;
    store_.put_state(sequence_key, std::to_string(last_sequence_));
    put(subscription, letter);
    return letter.id;
}

Result<Letter> LetterStore::change(const LetterChangeCommand& command) {
    MILLRACE_TRY(auto letter, load(command.subscription, command.id));
    if (!may_follow(letter.state, command)) {
        return fail(Errc::invalid_argument,
                    "dead letter " + std::to_string(letter.id) + " is not open any more: \"" +
                        command.action.action + "\" came too late");
    }
    erase_brief(command.subscription, letter);
    letter.state = command.state;
    conclude_tries(letter);
    letter.actions.push_back(command.action);
    trim_history(letter.actions);
    if (command.cause != Cause::none) {
        letter.cause = command.cause;
        letter.error = command.error;
        letter.response = command.response;
        letter.last_failure_us = command.action.time_us;
    }
    if (command.attempts != 0) {
        letter.attempts = command.attempts;
    }
    if (!command.edited.empty()) {
        letter.edited = command.edited;
    }
    put(command.subscription, letter);
    drop_settled(command.subscription);
    return letter;
}

Result<void> LetterStore::retry(const LetterRetryCommand& command) {
    MILLRACE_TRY(auto letter, load(command.subscription, command.id));
    if (letter.state != LetterState::redriven) {
        return fail(Errc::invalid_argument,
                    "dead letter " + std::to_string(letter.id) +
                        " is not redriven any more: a failure of it came too late");
    }
    erase_brief(command.subscription, letter);
    ++letter.tries;
    note_failure(letter.failing, command.failed);
    put(command.subscription, letter);
    return ok();
}

Result<Letter> LetterStore::load(std::uint32_t subscription, std::uint64_t id) const {
    MILLRACE_TRY(const auto value, store_.get_state(letter_key(subscription, id)));
    if (!value) {
        return fail(Errc::unknown_letter, "there is no dead letter " + std::to_string(id));
    }
    return parse_letter(*value);
}

LetterStore::Counts LetterStore::counts(std::uint32_t subscription, LetterState state) const {
    const auto found = counts_.find({subscription, state});
    return found == counts_.end() ? Counts{} : found->second;
}

void LetterStore::erase_all(std::uint32_t subscription) {
    std::vector<std::string> keys;
    for (const auto& prefix :
         {letter_prefix(subscription),
          std::string(letter_index_prefix) + std::to_string(subscription) + "/"}) {
        const auto visited =
            store_.visit_state(prefix, "", [&keys](std::string_view key, std::string_view) {
                keys.emplace_back(key);
                return true;
            });
        if (!visited) {
            log_error("delivery", visited.error().text);
        }
    }
    for (const auto& key : keys) {
        store_.erase_state(key);
    }
    std::erase_if(counts_, [&](const auto& entry) { return entry.first.first == subscription; });
    bytes_.erase(subscription);
    settled_.erase(subscription);
    store_.erase_state(std::string(bytes_prefix) + std::to_string(subscription));
}

LetterStore::Active LetterStore::active(std::uint32_t subscription) const {
    Active found;
    for (const auto state : {LetterState::open, LetterState::redriven}) {
        const auto by_cause = counts(subscription, state);
        found.count = std::accumulate(by_cause.begin(), by_cause.end(), found.count);
    }
    const auto bytes = bytes_.find(subscription);
    found.bytes = bytes == bytes_.end() ? 0 : bytes->second;
    return found;
}

std::string LetterStore::full_reason(std::uint32_t subscription) const {
    const auto found = active(subscription);
    const auto reached = [](const std::string& name, std::uint64_t limit) {
        return "limit " + name + " of " + std::to_string(limit) +
               " is reached: settle dead letters, and it goes on";
    };
    if (found.count >= limits_.letters_max) {
        return reached("letters_max", limits_.letters_max);
    }
    return found.bytes >= limits_.letters_bytes_max
               ? reached("letters_bytes_max", limits_.letters_bytes_max)
               : std::string();
}

}  // namespace millrace::broker::delivery
