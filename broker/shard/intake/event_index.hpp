#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "client/wire/event_id.hpp"
#include "storage/base/clock.hpp"
#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker {

/// Where the record with an id is. `proposal` tells who may still be waiting for it.
struct EventPlace {
    Offset offset;
    UnixMicros append_time_us = 0;
    std::uint64_t proposal = 0;
};

/// The event ids of one partition, oldest first: about 100 bytes of memory each.
///
/// Promise:  what was added is found until it is dropped, oldest first; offsets only go up.
/// Threads:  the shard's.
/// On disk:  rows of the store's state, each {u32 count} and for each id {low u64, high u64, offset
///           u64, append_time_us i64}, little-endian, at most `row_ids_max`; the key ends with the
///           first offset, 20 digits. A row is written once, and erased when the last of its ids
///           has gone.
class EventIndex {
  public:
    static constexpr std::size_t row_ids_max = 2048;

    [[nodiscard]] const EventPlace* find(const wire::EventId& id) const;
    void add(const wire::EventId& id, const EventPlace& place);
    [[nodiscard]] std::size_t size() const { return places_.size(); }
    [[nodiscard]] bool is_empty() const { return order_.empty(); }
    /// Behind the youngest.
    [[nodiscard]] Offset end() const {
        return order_.empty() ? written_upto_ : order_.back().place.offset + 1;
    }
    /// When the oldest was appended. **Requires** not `is_empty()`.
    [[nodiscard]] UnixMicros oldest_time_us() const { return order_.front().place.append_time_us; }
    /// **Requires** not `is_empty()`.
    void drop_oldest();
    /// An entry that never became durable: what it added was never there.
    void drop_proposal(std::uint64_t proposal);

    /// Writes what was added since the last call and lies below `next`, and erases rows that hold
    /// nothing any more. `key_prefix` names the partition.
    void write_rows(Offset next, std::string_view key_prefix, storage::StateWriter& state);
    /// A row as it was written; in the order of their keys. Errors: corrupt.
    [[nodiscard]] Result<void> parse_row(std::string_view value);

  private:
    struct Entry {
        wire::EventId id;
        EventPlace place;
    };
    struct Row {
        Offset first;
        Offset last;
    };
    [[nodiscard]] std::string format_row(std::size_t begin, std::size_t end) const;

    std::deque<Entry> order_;
    std::uint64_t first_number_ = 0;                           ///< of the entry in front
    std::unordered_map<wire::EventId, std::uint64_t> places_;  ///< number of the youngest entry
    std::deque<Row> rows_;
    Offset written_upto_;  ///< ids below are in rows
};

}  // namespace millrace::broker
