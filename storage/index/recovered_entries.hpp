#pragma once

#include <cstddef>
#include <deque>
#include <unordered_map>
#include <vector>

#include "storage/base/ids.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Where a recovery has met the records of each group last, for a truncation behind them in the
/// log.
///
/// Only what no majority had can be truncated, which is what was under way at some moment: those of
/// before are forgotten.
class RecoveredEntries {
  public:
    static constexpr std::size_t entries_max = 65'536;  ///< of a group

    struct Entry {
        RaftIndex index;
        FramePlace place;
        std::size_t payload_bytes = 0;
    };
    /// An entry of records.
    void note(const FrameView& frame, FramePlace place);
    /// Those from `index` on, the last first; they are forgotten.
    [[nodiscard]] std::vector<Entry> take_from(GroupId group, RaftIndex index);

  private:
    std::unordered_map<GroupId, std::deque<Entry>> groups_;
};

}  // namespace millrace::storage
