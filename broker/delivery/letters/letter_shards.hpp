#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "broker/delivery/letters/letters.hpp"

namespace millrace::broker::delivery {

/// A letter's id is its sequence times this, plus the number of the data group of its shard.
inline constexpr std::uint64_t groups_per_sequence = 1000;

/// Where a letter lives; nothing for an id that no shard gave.
[[nodiscard]] std::optional<ShardId> shard_of_letter(std::uint64_t id, std::uint32_t shard_count);

/// What of a selection concerns a shard; nothing where it names letters of others alone.
[[nodiscard]] std::optional<LetterSelection> part_of_selection(const LetterSelection& selection,
                                                               ShardId shard);

/// Letters of all shards, by id.
struct LetterList {
    std::vector<Letter> letters;
    std::uint64_t next_after_id = 0;  ///< 0: there are no more
};
/// The pages that the shards gave to one query. Beyond the shard that has looked least far, others
/// may still find something.
[[nodiscard]] LetterList merge_pages(std::vector<LetterPage> pages, std::uint32_t limit);

}  // namespace millrace::broker::delivery
