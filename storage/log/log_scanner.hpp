#pragma once

#include "storage/log/commit_writer.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Reads the log in its physical order, which is the order of append times.
///
/// Promise:  hands out only what verifies and belongs to commits up to the limit; steps over
/// damage. Threads:  the shard's.
class LogScanner {
  public:
    explicit LogScanner(SegmentFiles& files) : files_(files) {}

    /// `upto` is the last commit that may be shown.
    void scan(ScanCursor from, std::size_t bytes_max, CommitSequence upto, ScanDone done);

  private:
    SegmentFiles& files_;
};

}  // namespace millrace::storage
