#pragma once

#include <optional>
#include <string_view>

#include "client/wire/record.hpp"
#include "storage/base/clock.hpp"

namespace millrace::broker::delivery {

inline constexpr std::string_view deliver_after_header = "deliver-after";
inline constexpr std::string_view expires_at_header = "expires-at";

/// When a record may go out, and until when, as its headers say.
struct RecordTimes {
    std::optional<UnixMicros> deliver_after_us;
    std::optional<UnixMicros> expires_at_us;
    std::uint32_t unreadable_count = 0;  ///< headers that say no time count as absent

    /// Expired at `now`.
    [[nodiscard]] bool is_over(UnixMicros now) const {
        return expires_at_us && *expires_at_us <= now;
    }
    /// Until when nothing happens to the record, when that is behind `now`.
    [[nodiscard]] std::optional<UnixMicros> waits_until(UnixMicros now) const;
};

[[nodiscard]] RecordTimes record_times(const wire::RecordView& record);

/// A moment as RFC 3339 (`2026-11-20T06:00:00Z`, with a fraction or an offset) or as milliseconds
/// since 1970. Nothing for anything else.
[[nodiscard]] std::optional<UnixMicros> parse_moment(std::string_view text);

}  // namespace millrace::broker::delivery
