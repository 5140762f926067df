#include "broker/delivery/letters/letter_shards.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

namespace millrace::broker::delivery {
namespace {

bool is_of(std::uint64_t id, ShardId shard) {
    return id % groups_per_sequence == shard.value + 1;
}

}  // namespace

std::optional<ShardId> shard_of_letter(std::uint64_t id, std::uint32_t shard_count) {
    const auto group = id % groups_per_sequence;
    if (group == 0 || group > shard_count) {
        return std::nullopt;
    }
    return ShardId{static_cast<std::uint32_t>(group - 1)};
}

std::optional<LetterSelection> part_of_selection(const LetterSelection& selection, ShardId shard) {
    auto part = selection;
    std::erase_if(part.ids, [shard](std::uint64_t id) { return !is_of(id, shard); });
    if (part.ids.empty() && !selection.ids.empty()) {
        return std::nullopt;
    }
    return part;
}

LetterList merge_pages(std::vector<LetterPage> pages, std::uint32_t limit) {
    constexpr auto all = std::numeric_limits<std::uint64_t>::max();
    auto known_upto = all;
    LetterList list;
    for (auto& page : pages) {
        if (!page.is_end) {
            known_upto = std::min(known_upto, page.examined_upto);
        }
        std::ranges::move(page.letters, std::back_inserter(list.letters));
    }
    std::erase_if(list.letters,
                  [known_upto](const Letter& letter) { return letter.id > known_upto; });
    std::ranges::sort(list.letters, {}, &Letter::id);
    if (list.letters.size() > limit) {
        list.letters.resize(limit);
        known_upto = list.letters.back().id;
    }
    list.next_after_id = known_upto == all ? 0 : known_upto;
    return list;
}

}  // namespace millrace::broker::delivery
