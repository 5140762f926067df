#include "broker/delivery/letters/letter_history.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "broker/delivery/letters/letter_limits.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t mark_bytes_max = 32;

std::size_t bytes_of(const LetterAction& action) {
    return sizeof(action.time_us) + action.action.size() + action.by.size() + action.text.size();
}

/// As `redrive_mark` makes it.
bool is_mark(const LetterAction& action) {
    return action.action == "redriven" && action.text.starts_with("job ") &&
           action.text.size() <= mark_bytes_max && action.by.size() <= letter_text_bytes_max;
}

/// Counts what is kept, from the newest action on.
class Room {
  public:
    explicit Room(std::span<const LetterAction> beginning)
        : bytes_(history_bytes(beginning)),
          beginning_(beginning.size()),
          actions_(beginning.size()) {}

    bool takes(const LetterAction& action) {
        bytes_ += bytes_of(action);
        is_full_ = is_full_ || (actions_ > beginning_ && (actions_ == letter_actions_max ||
                                                          bytes_ > letter_history_bytes_max));
        if (!is_full_) {
            ++actions_;
            return true;
        }
        return is_mark(action) && marks_++ < letter_marks_max;
    }

  private:
    std::size_t bytes_;
    std::size_t beginning_;
    std::size_t actions_;
    std::size_t marks_ = 0;
    bool is_full_ = false;
};

auto find_opening(const std::vector<LetterAction>& actions) {
    return std::ranges::find(actions, letter_opened, &LetterAction::action);
}

}  // namespace

std::size_t count_beginning(const std::vector<LetterAction>& actions) {
    const auto opening = find_opening(actions);
    return opening == actions.end() ? std::min<std::size_t>(actions.size(), 1)
                                    : static_cast<std::size_t>(opening - actions.begin()) + 1;
}

UnixMicros opened_us(const std::vector<LetterAction>& actions) {
    return actions.empty() ? 0 : actions[count_beginning(actions) - 1].time_us;
}

std::size_t history_bytes(std::span<const LetterAction> actions) {
    return std::accumulate(
        actions.begin(), actions.end(), std::size_t{0}, [](std::size_t sum, const auto& action) {
            return sum + bytes_of(action);
        });
}

void append_failures(std::vector<LetterAction>& actions,
                     const std::vector<FailedAttempts>& failures) {
    for (const auto& failed : failures) {
        actions.push_back({.time_us = failed.last_us,
                           .action = "failed",
                           .by = "broker",
                           .text = describe(failed)});
    }
}

void conclude_tries(Letter& letter) {
    append_failures(letter.actions, std::exchange(letter.failing, {}));
    letter.attempts += std::exchange(letter.tries, 0);
}

void trim_history(std::vector<LetterAction>& actions) {
    if (actions.size() <= letter_actions_max &&
        history_bytes(actions) <= letter_history_bytes_max) {
        return;
    }
    const auto beginning = count_beginning(actions);
    Room room(std::span<const LetterAction>(actions).first(beginning));
    std::vector<LetterAction> kept;
    while (actions.size() > beginning) {
        if (room.takes(actions.back())) {
            kept.push_back(std::move(actions.back()));
        }
        actions.pop_back();
    }
    std::ranges::reverse(kept);
    std::ranges::move(kept, std::back_inserter(actions));
}

}  // namespace millrace::broker::delivery
