#include "storage/repair/repair_list.hpp"

#include <string>

#include "storage/base/logging.hpp"

namespace millrace::storage {
namespace {

/// Of a segment, when the others can't be asked or the disk does not take it.
constexpr int tries_max = 10;

std::string name_of(SegmentSequence segment) {
    return "segment " + std::to_string(segment.value);
}

}  // namespace

RepairList::RepairList(ShardId shard, MetricsRegistry& metrics)
    : segments_total_(metrics.counter("millrace_storage_repaired_segments_total",
                                      "Sealed segments repaired with what other replicas have.",
                                      shard_label(shard))),
      frames_total_(metrics.counter("millrace_storage_repaired_frames_total",
                                    "Entries fetched from other replicas for that.",
                                    shard_label(shard))),
      failures_total_(metrics.counter("millrace_storage_repair_failures_total",
                                      "Damaged segments that could not be repaired, so that the "
                                      "whole shard is copied.",
                                      shard_label(shard))) {}

bool RepairList::add(SegmentSequence segment) {
    return tries_.try_emplace(segment, 0).second;
}

std::vector<SegmentSequence> RepairList::segments() const {
    std::vector<SegmentSequence> found;
    found.reserve(tries_.size());
    for (const auto& [segment, tries] : tries_) {
        found.push_back(segment);
    }
    return found;
}

bool RepairList::is_open(SegmentSequence segment) const {
    const auto found = tries_.find(segment);
    return found != tries_.end() && found->second < tries_max;
}

void RepairList::end(SegmentSequence segment, const Result<RepairOutcome>& outcome) {
    if (!outcome) {
        note_failure(segment, outcome.error());
        return;
    }
    tries_.erase(segment);
    const auto& repaired = outcome.value();
    if (!repaired.is_new_file) {
        log_info("storage", name_of(segment) + " verifies, and needs no repair");
        return;
    }
    segments_total_.add();
    frames_total_.add(repaired.frames);
    log_info("storage",
             name_of(segment) + " is repaired: " + std::to_string(repaired.frames) +
                 " entries in " + std::to_string(repaired.commits) +
                 " commits came from another node");
}

void RepairList::note_failure(SegmentSequence segment, const Error& error) {
    const auto found = tries_.find(segment);
    if (found == tries_.end() || error.code == Errc::shutting_down) {
        return;
    }
    found->second = error.code == Errc::corrupt ? tries_max : found->second + 1;
    const bool is_last = found->second >= tries_max;
    failures_total_.add(is_last ? 1 : 0);
    log_warning("storage",
                name_of(segment) + (is_last ? " can't be repaired: " : " waits for its repair: ") +
                    error.text);
}

}  // namespace millrace::storage
