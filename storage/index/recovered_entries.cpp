#include "storage/index/recovered_entries.hpp"

namespace millrace::storage {

void RecoveredEntries::note(const FrameView& frame, FramePlace place) {
    auto& entries = groups_[frame.group];
    entries.push_back(
        {.index = frame.index, .place = place, .payload_bytes = frame.payload.size()});
    if (entries.size() > entries_max) {
        entries.pop_front();
    }
}

std::vector<RecoveredEntries::Entry> RecoveredEntries::take_from(GroupId group, RaftIndex index) {
    std::vector<Entry> taken;
    auto& entries = groups_[group];
    while (!entries.empty() && entries.back().index >= index) {
        taken.push_back(entries.back());
        entries.pop_back();
    }
    return taken;
}

}  // namespace millrace::storage
