#include "broker/delivery/letter_store.hpp"

#include <array>
#include <charconv>
#include <cstdio>

#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::uint64_t groups_per_sequence =
    1000;  ///< the last three digits of an id name the data group
constexpr std::string_view sequence_key = "m/letters";

std::string prefix_of(std::uint32_t subscription) {
    return "l/" + std::to_string(subscription) + "/";
}

std::string key_of(std::uint32_t subscription, std::uint64_t id) {
    std::array<char, 24> digits{};
    (void)std::snprintf(
        digits.data(), digits.size(), "%020llu", static_cast<unsigned long long>(id));
    return prefix_of(subscription) + digits.data();
}

}  // namespace

Result<void> LetterStore::restore() {
    last_sequence_ = 0;
    MILLRACE_TRY(const auto value, store_.get_state(sequence_key));
    if (value) {
        (void)std::from_chars(value->data(), value->data() + value->size(), last_sequence_);
    }
    return ok();
}

std::uint64_t LetterStore::open(std::uint32_t subscription, Letter letter) {
    letter.id = ++last_sequence_ * groups_per_sequence + group_.value;
    store_.put_state(sequence_key, std::to_string(last_sequence_));
    store_.put_state(key_of(subscription, letter.id), format_letter(letter));
    return letter.id;
}

Result<Letter> LetterStore::change(const LetterChangeCommand& command) {
    MILLRACE_TRY(auto letter, load(command.subscription, command.id));
    letter.state = command.state;
    letter.actions.push_back(command.action);
    if (command.cause != Cause::none) {
        letter.cause = command.cause;
        letter.error = command.error;
        letter.response = command.response;
        letter.last_failure_us = command.action.time_us;
    }
    if (command.attempts != 0) {
        letter.attempts = command.attempts;
    }
    store_.put_state(key_of(command.subscription, command.id), format_letter(letter));
    return letter;
}

Result<Letter> LetterStore::load(std::uint32_t subscription, std::uint64_t id) const {
    MILLRACE_TRY(const auto value, store_.get_state(key_of(subscription, id)));
    if (!value) {
        return fail(Errc::unknown_letter, "there is no dead letter " + std::to_string(id));
    }
    return parse_letter(*value);
}

Result<void> LetterStore::visit(std::uint32_t subscription,
                                std::uint64_t after,
                                const std::function<bool(Letter)>& visit) const {
    Result<void> outcome = ok();
    MILLRACE_TRY(store_.visit_state(prefix_of(subscription),
                                    key_of(subscription, after + 1),
                                    [&](std::string_view, std::string_view value) {
                                        auto letter = parse_letter(value);
                                        if (!letter) {
                                            outcome = letter.error();
                                            return false;
                                        }
                                        return visit(std::move(letter).value());
                                    }));
    return outcome;
}

void LetterStore::erase_all(std::uint32_t subscription) {
    std::vector<std::string> keys;
    const auto visited = store_.visit_state(
        prefix_of(subscription), "", [&keys](std::string_view key, std::string_view) {
            keys.emplace_back(key);
            return true;
        });
    if (!visited) {
        log_error("delivery", visited.error().text);
    }
    for (const auto& key : keys) {
        store_.erase_state(key);
    }
}

}  // namespace millrace::broker::delivery
