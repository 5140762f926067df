#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "broker/delivery/letters/letters.hpp"

namespace millrace::broker::delivery {

enum class LetterGroupBy : std::uint8_t { cause, error, key, topic, state };

struct LetterGrouping {
    LetterGroupBy by = LetterGroupBy::error;
    std::string transform;  ///< a jq program that is tried on each letter; empty: none
};

/// Letters that share a property.
struct LetterGroup {
    std::uint64_t count = 0;
    UnixMicros first_failure_us = 0;
    UnixMicros last_failure_us = 0;
    std::uint64_t example_id = 0;
    std::string example;  ///< its error, as it came
};
/// A group of errors is of one cause, too.
using LetterGroupName = std::pair<Cause, std::string>;
struct LetterGroups {
    std::map<LetterGroupName, LetterGroup> groups;
    std::uint64_t mended = 0;                     ///< letters that the transform mends
    std::map<std::string, LetterGroup> refusals;  ///< the others, by what its errors share
    std::uint64_t examined_upto = 0;
    bool is_end = false;
};

/// What errors of one kind have in common: words with a digit in them and what stands in quotes
/// become `#`, so that "no product CH-9" and "no product CH-10" are one.
[[nodiscard]] std::string error_pattern(std::string_view error);

/// Puts the letters of a page into their groups. Nothing is changed. Errors: invalid_argument for a
/// transform that jq does not accept.
[[nodiscard]] Result<LetterGroups> group_letters(const LetterPage& page,
                                                 const LetterGrouping& grouping);

/// Letters that are looked at in one go: fewer with a transform, which takes its time on each.
[[nodiscard]] std::uint32_t group_step_letters(const LetterGrouping& grouping);

}  // namespace millrace::broker::delivery
