#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "storage/index/batch_index.hpp"
#include "storage/log/commit_writer.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Fetches batches that the index has found: from the tail in memory, or from disk with neighbours
/// merged.
///
/// Promise:  a batch from disk is handed out only when its header is the one asked for and its
/// CRC-32C fits; the first that does not ends the
///           result with `damage`.
/// Threads:  the shard's.
class BatchReader {
  public:
    BatchReader(SegmentFiles& files, const CommitWriter& writer) : files_(files), writer_(writer) {}

    /// **Requires** at least one place.
    void read(PartitionId partition, const std::vector<BatchPlace>& places, ReadDone done);

  private:
    SegmentFiles& files_;
    const CommitWriter& writer_;
};

}  // namespace millrace::storage
