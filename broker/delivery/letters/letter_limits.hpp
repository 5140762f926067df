#pragma once

#include <cstddef>

#include "broker/catalog/replay_topic.hpp"
#include "client/wire/record.hpp"

namespace millrace::broker::delivery {

// What a letter holds, so that each command about it fits into an entry of the log: the parts of an
// opening or a change together stay below 1.7 MiB, and a commit has 2 MiB.

/// Its record, mended or not, and the record's key once more. Whatever was published, or replayed
/// to the subscription, is below it.
inline constexpr std::size_t letter_record_bytes_max =
    wire::unpacked_record_bytes_max + replay_stamp_bytes_max;
/// An error, and a responder's answer; the rest is left out.
inline constexpr std::size_t letter_text_bytes_max = 4096;
/// A correlation id is named apart from the record; the rest is left out there.
inline constexpr std::size_t letter_correlation_bytes_max = 1024;
/// By whom and why an action is taken, with the transform.
inline constexpr std::size_t letter_action_bytes_max = std::size_t{64} * 1024;
/// Letters that a change may name; a query selects any number.
inline constexpr std::size_t letter_ids_max = 100'000;

// What is kept of a letter's history: its beginning and the newest actions.

inline constexpr std::size_t letter_actions_max = 64;
inline constexpr std::size_t letter_history_bytes_max = std::size_t{256} * 1024;
/// Beside them, that a job has sent it: as many as jobs may be open.
inline constexpr std::size_t letter_marks_max = 100;

}  // namespace millrace::broker::delivery
