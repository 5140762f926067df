#include "storage/base/errc.hpp"

#include <algorithm>
#include <array>

namespace millrace {
namespace {

struct Entry {
    Errc code;
    std::string_view name;
};

constexpr std::array entries{
    Entry{Errc::ok, "ok"},
    Entry{Errc::invalid_argument, "invalid_argument"},
    Entry{Errc::malformed, "malformed"},
    Entry{Errc::unsupported_version, "unsupported_version"},
    Entry{Errc::unknown_api, "unknown_api"},
    Entry{Errc::frame_too_large, "frame_too_large"},
    Entry{Errc::record_too_large, "record_too_large"},
    Entry{Errc::unknown_topic, "unknown_topic"},
    Entry{Errc::unknown_partition, "unknown_partition"},
    Entry{Errc::unknown_group, "unknown_group"},
    Entry{Errc::unknown_subscription, "unknown_subscription"},
    Entry{Errc::unknown_letter, "unknown_letter"},
    Entry{Errc::already_exists, "already_exists"},
    Entry{Errc::offset_out_of_range, "offset_out_of_range"},
    Entry{Errc::sequence_out_of_order, "sequence_out_of_order"},
    Entry{Errc::topic_retired, "topic_retired"},
    Entry{Errc::conflict, "conflict"},
    Entry{Errc::stale_delivery, "stale_delivery"},
    Entry{Errc::not_found, "not_found"},
    Entry{Errc::configuration, "configuration"},
    Entry{Errc::sequence_too_old, "sequence_too_old"},
    Entry{Errc::not_leader, "not_leader"},
    Entry{Errc::shutting_down, "shutting_down"},
    Entry{Errc::timed_out, "timed_out"},
    Entry{Errc::connection_lost, "connection_lost"},
    Entry{Errc::rebalancing, "rebalancing"},
    Entry{Errc::limit_reached, "limit_reached"},
    Entry{Errc::out_of_space, "out_of_space"},
    Entry{Errc::shard_failed, "shard_failed"},
    Entry{Errc::would_block, "would_block"},
    Entry{Errc::unavailable, "unavailable"},
    Entry{Errc::corrupt, "corrupt"},
    Entry{Errc::checksum_mismatch, "checksum_mismatch"},
    Entry{Errc::truncated, "truncated"},
    Entry{Errc::newer_format, "newer_format"},
    Entry{Errc::io, "io"},
    Entry{Errc::poisoned, "poisoned"},
    Entry{Errc::locked, "locked"},
    Entry{Errc::cancelled, "cancelled"},
    Entry{Errc::internal, "internal"},
};

}  // namespace

std::string_view name_of(Errc code) noexcept {
    const auto* const found = std::ranges::find(entries, code, &Entry::code);
    return found == entries.end() ? "unknown" : found->name;
}

bool is_retryable(Errc code) noexcept {
    return code >= Errc::not_leader && code <= Errc::unavailable;
}

}  // namespace millrace
