#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "broker/delivery/letters/letters.hpp"
#include "storage/base/result.hpp"

namespace millrace::broker::delivery {

inline constexpr std::string_view letter_index_prefix = "x/";
inline constexpr std::size_t letter_id_digits = 20;  ///< at the end of the keys of both

[[nodiscard]] std::string letter_id_text(std::uint64_t id);
/// `l/<subscription>/`, before the ids.
[[nodiscard]] std::string letter_prefix(std::uint32_t subscription);
[[nodiscard]] std::string letter_key(std::uint32_t subscription, std::uint64_t id);
/// `x/<subscription>/<state>/<cause>/`, before the ids.
[[nodiscard]] std::string letter_index(std::uint32_t subscription, LetterState state, Cause cause);

/// Reads a number and the character behind it.
template <class Number>
Number take_row_number(std::string_view& text) {
    Number value{};
    const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
    const auto used = static_cast<std::size_t>(read.ptr - text.data());
    text.remove_prefix(std::min(text.size(), used + 1));
    return value;
}

/// A letter with its record, as it lies in the state: letter_row.fbs.
[[nodiscard]] std::string format_letter(const Letter& letter);
/// Reads the earlier form, CBOR, as well. Errors: corrupt.
[[nodiscard]] Result<Letter> parse_letter(std::string_view row);

// The earlier form, in commands of an older log. Throw nlohmann::json::exception.
[[nodiscard]] Letter letter_from(const nlohmann::json& json);
[[nodiscard]] nlohmann::json to_json(const LetterAction& action);
[[nodiscard]] LetterAction action_from(const nlohmann::json& json);

}  // namespace millrace::broker::delivery
