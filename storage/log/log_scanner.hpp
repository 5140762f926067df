#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "storage/log/commit_writer.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/rewrite/ordered_scanner.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Reads the log in the order in which it was appended, which is that of append times.
///
/// Promise:  hands out only what verifies and belongs to commits up to the limit; steps over
/// damage; leaves out what recovery cut. Threads:  the shard's.
class LogScanner {
  public:
    /// Where the last commit of a segment ends that counts; behind it may lie a tail that was cut.
    using UsedBytes = std::function<std::uint64_t(SegmentSequence)>;

    LogScanner(SegmentFiles& files,
               const CommitWriter& writer,
               ReadBuffers& buffers,
               UsedBytes used_bytes)
        : files_(files), used_bytes_(std::move(used_bytes)), ordered_(files, writer, buffers) {}

    /// `upto` is the last commit that may be shown.
    void scan(ScanCursor from, std::size_t bytes_max, CommitSequence upto, ScanDone done);

    /// As ShardStore::scan_entries; `upto` as above.
    void scan_entries(GroupId group, ScanCursor from, CommitSequence upto, EntryScanDone done);

    /// Once a tick.
    void rest() { ordered_.rest(); }

  private:
    struct Window;
    using AnySegment = std::map<SegmentSequence, Segment>::const_iterator;
    /// Of the segment that `from` lies in, or the next one.
    [[nodiscard]] std::shared_ptr<Window> window_at(AnySegment at,
                                                    ScanCursor from,
                                                    std::size_t bytes_max,
                                                    CommitSequence upto) const;
    /// What came of a window.
    static Result<ScanResult> take_records(Window& window, std::int32_t bytes);
    static Result<EntryScanResult> take_entries(const std::shared_ptr<Window>& window,
                                                std::int32_t bytes,
                                                GroupId group);

    const SegmentFiles& files_;
    UsedBytes used_bytes_;
    OrderedScanner ordered_;
};

}  // namespace millrace::storage
