#pragma once

#include <string_view>

namespace millrace::wire {

/// Lower-case words of letters, digits, '_' and '-', joined by dots, at most 249 bytes.
[[nodiscard]] bool is_topic_name(std::string_view name);
/// A topic name in which a word may be `*` (any one word) and the last may be `>` (one or more
/// words).
[[nodiscard]] bool is_topic_pattern(std::string_view pattern);
[[nodiscard]] bool is_match(std::string_view pattern, std::string_view topic);

}  // namespace millrace::wire
