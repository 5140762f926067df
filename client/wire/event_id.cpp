#include "client/wire/event_id.hpp"

#include <string>

#include <xxhash.h>

namespace millrace::wire {
namespace {

constexpr char event_kind = 'e';
constexpr char replay_kind = 'r';

EventId hash_of(std::string_view text) {
    const auto hash = XXH3_128bits(text.data(), text.size());
    return {.low = hash.low64, .high = hash.high64};
}

/// The kind and the length in front keep texts apart that would read the same behind one another.
std::string tagged(char kind, std::string_view text) {
    std::string made(1, kind);
    made += std::to_string(text.size());
    made += ':';
    return made.append(text);
}

}  // namespace

std::optional<EventId> event_id_of(const RecordView& record) {
    if (record.headers.empty()) {
        return std::nullopt;
    }
    if (const auto replay = record.header(replay_id_header); replay && !replay->empty()) {
        // With key and value: who makes other records of a replayed one may copy its headers.
        return hash_of(tagged(replay_kind, *replay) +
                       tagged(replay_kind, record.header(origin_header).value_or("")) +
                       tagged(replay_kind, record.key.value_or("")) + std::string(record.value));
    }
    const auto event = record.header(event_id_header);
    return event && !event->empty() ? std::optional(hash_of(tagged(event_kind, *event)))
                                    : std::nullopt;
}

}  // namespace millrace::wire
