#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// Changes, insertions, removals and swaps of neighbours that make one word of the other.
[[nodiscard]] std::size_t distance_of(std::string_view left, std::string_view right);

/// The candidate that was most likely meant: within a third of the word's length, or the only one
/// that the word begins.
[[nodiscard]] std::optional<std::string> nearest(std::string_view word,
                                                 const std::vector<std::string>& candidates);

}  // namespace millrace::cli
