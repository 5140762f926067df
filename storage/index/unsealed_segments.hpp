#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "storage/format/layout.hpp"
#include "storage/index/index_rows.hpp"

namespace millrace::storage {

/// The segments that the index on disk does not have yet: the open one, and those that wait until
/// all of them is applied.
///
/// Threads:  the shard's.
class UnsealedSegments {
  public:
    struct Unsealed {
        SegmentRow row;
        CommitSequence last;  ///< commit of it, once it is finished
        bool is_finished = false;
    };

    /// One of an earlier life.
    void add(SegmentSequence segment, const SegmentRow& row, CommitSequence last) {
        segments_[segment] = {.row = row, .last = last, .is_finished = true};
    }
    void note_append(FramePlace place, std::size_t payload_bytes, UnixMicros now) {
        auto& row = segments_[place.segment].row;
        row.last_time_us = now;
        row.first_time_us = row.first_time_us == 0 ? now : row.first_time_us;
        row.used_bytes =
            std::max(row.used_bytes, place.position.value + frame_bytes(payload_bytes));
    }
    void finish(SegmentSequence segment, CommitSequence last) {
        auto& unsealed = segments_[segment];
        unsealed.is_finished = true;
        unsealed.last = last;
    }
    void forget(SegmentSequence segment) { segments_.erase(segment); }

    /// Those that can be sealed once everything up to `applied` is, in order.
    [[nodiscard]] std::vector<SegmentSequence> due(CommitSequence applied) const {
        std::vector<SegmentSequence> found;
        for (const auto& [sequence, unsealed] : segments_) {
            if (!unsealed.is_finished || unsealed.last > applied) {
                break;
            }
            found.push_back(sequence);
        }
        return found;
    }
    [[nodiscard]] std::optional<SegmentRow> find(SegmentSequence segment) const {
        const auto found = segments_.find(segment);
        return found == segments_.end() ? std::nullopt : std::optional(found->second.row);
    }
    [[nodiscard]] const std::map<SegmentSequence, Unsealed>& all() const { return segments_; }

  private:
    std::map<SegmentSequence, Unsealed> segments_;
};

}  // namespace millrace::storage
