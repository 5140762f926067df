#pragma once

#include <cstddef>
#include <vector>

#include "broker/delivery/letters/letters.hpp"

namespace millrace::broker::delivery {

[[nodiscard]] std::size_t history_bytes(const std::vector<LetterAction>& actions);

/// Keeps the first action and the newest ones, at most `letter_actions_max` of them with
/// `letter_history_bytes_max`, and the newest whatever its size. Of the others the newest
/// `letter_marks_max` by which jobs know the letters that they have sent stay as well.
void trim_history(std::vector<LetterAction>& actions);

}  // namespace millrace::broker::delivery
