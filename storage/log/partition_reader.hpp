#pragma once

#include <variant>
#include <vector>

#include "storage/log/batch_reader.hpp"

namespace millrace::storage {

/// Reads partitions by offset: asks the index where batches lie and has them fetched.
///
/// Promise:  partitions that are read together go through the log side by side: of each as much as
///           it asks for, oldest in the log first where that is more than may come in all.
/// Threads:  the shard's.
class PartitionReader {
  public:
    PartitionReader(SegmentFiles& files, const CommitWriter& writer, ReadBuffers& buffers)
        : batches_(files, writer, buffers) {}

    /// **Requires** an index that outlives this.
    void open(const BatchIndex& index) { index_ = &index; }
    /// `runs_bytes_max` bounds what comes in all, except that one batch always does.
    void read(const std::vector<ReadRequest>& requests,
              std::size_t runs_bytes_max,
              ReadAllDone done);

  private:
    using Found = std::variant<ReadResult, BatchPlaces>;
    [[nodiscard]] Result<Found> find(const ReadRequest& request) const;

    BatchReader batches_;
    const BatchIndex* index_ = nullptr;
};

}  // namespace millrace::storage
