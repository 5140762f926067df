#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "client/wire/record.hpp"

namespace millrace::wire {

/// Headers that make a record the same one when it comes again.
inline constexpr std::string_view event_id_header = "event-id";
inline constexpr std::string_view replay_id_header = "millrace-replay-id";
inline constexpr std::string_view origin_header = "millrace-origin";

/// What stands for a record's identity: an XXH3-128 of its headers. Two different ids meet once in
/// about 10^19 pairs for a billion ids in the window.
struct EventId {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    auto operator<=>(const EventId&) const = default;
};

/// Of a record that was replayed (replay_id_header, origin_header, key, value), else of its
/// event_id_header; nothing where it has neither. So a replayed record is not taken for the event
/// it was, and one replay puts each record there once.
[[nodiscard]] std::optional<EventId> event_id_of(const RecordView& record);

}  // namespace millrace::wire

template <>
struct std::hash<millrace::wire::EventId> {
    std::size_t operator()(const millrace::wire::EventId& id) const noexcept { return id.low; }
};
