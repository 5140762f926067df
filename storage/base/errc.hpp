#pragma once

#include <cstdint>
#include <string_view>

namespace millrace {

/// Everything that can go wrong and that a caller can act on: one enumeration for disk, broker,
/// wire and client. The numbers travel on the wire and never change; new ones are appended to their
/// block.
enum class Errc : std::uint16_t {
    ok = 0,

    // The request is at fault: sending it again unchanged cannot help.
    invalid_argument = 1,
    malformed = 2,            ///< bytes that do not parse or fail verification
    unsupported_version = 3,  ///< api, format or protocol version this side does not speak
    unknown_api = 4,
    frame_too_large = 5,
    record_too_large = 6,
    unknown_topic = 7,
    unknown_partition = 8,
    unknown_group = 9,
    unknown_subscription = 10,
    unknown_letter = 11,
    already_exists = 12,
    offset_out_of_range = 13,
    sequence_out_of_order = 14,  ///< producer sequence leaves a gap
    topic_retired = 15,
    conflict = 16,        ///< state does not allow it (wrong generation, subscription paused, ...)
    stale_delivery = 17,  ///< settle of a delivery that timed out or was never made
    not_found = 18,
    configuration = 19,
    sequence_too_old = 20,  ///< the broker has gone on behind it, and knows no more what it was

    // Nothing is wrong with the request: the same request may succeed later.
    not_leader = 40,
    shutting_down = 41,
    timed_out = 42,
    connection_lost = 43,
    rebalancing = 44,
    limit_reached = 45,  ///< a named limit; the text says which
    out_of_space = 46,   ///< disk reserve reached: publishes refused, reads and acks go on
    shard_failed = 47,   ///< the shard's disk failed; it stopped serving until recovery
    would_block = 48,
    unavailable = 49,

    // Stored data.
    corrupt = 70,
    checksum_mismatch = 71,
    truncated = 72,
    newer_format = 73,
    io = 74,
    poisoned = 75,  ///< an earlier write or sync failed; state on disk is unknown
    locked = 76,    ///< data directory in use by another daemon

    cancelled = 90,
    internal = 91,
};

/// The enumerator's name, for logs, metrics and `--output json`.
[[nodiscard]] std::string_view name_of(Errc code) noexcept;

/// True when the same request may succeed later without being changed.
[[nodiscard]] bool is_retryable(Errc code) noexcept;

}  // namespace millrace
