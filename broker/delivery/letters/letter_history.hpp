#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "broker/delivery/letters/letters.hpp"

namespace millrace::broker::delivery {

/// The action with which a letter begins; the failures that led to it stand before.
inline constexpr const char* letter_opened = "opened";

/// How many actions there are up to its opening; one where that is not among them.
[[nodiscard]] std::size_t count_beginning(const std::vector<LetterAction>& actions);
/// When it was opened; the time of its first action where that is not among them, 0 without any.
[[nodiscard]] UnixMicros opened_us(const std::vector<LetterAction>& actions);

[[nodiscard]] std::size_t history_bytes(std::span<const LetterAction> actions);

/// What has failed since it was redriven becomes part of its history and of its attempts.
void conclude_tries(Letter& letter);
/// Failures of attempts as actions of a history.
void append_failures(std::vector<LetterAction>& actions,
                     const std::vector<FailedAttempts>& failures);

/// Keeps the beginning and the newest actions, at most `letter_actions_max` of them with
/// `letter_history_bytes_max`, and the newest whatever its size. Of the others the newest
/// `letter_marks_max` by which jobs know the letters that they have sent stay as well.
void trim_history(std::vector<LetterAction>& actions);

}  // namespace millrace::broker::delivery
