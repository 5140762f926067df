#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "storage/index/batch_index.hpp"
#include "storage/io/read_buffers.hpp"
#include "storage/log/commit_writer.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Fetches batches that the index has found: from the tail in memory, or from disk. Neighbours in
/// the log are read together, of whatever partition they are.
///
/// Promise:  a batch from disk is handed out only when its header is the one asked for and its
///           CRC-32C fits; the first of a partition that does not ends that partition's result with
///           `damage`. One read holds at most `disk_bytes_max` of the disk's bytes in memory beside
///           its results, or one batch; what lies behind in the log is left for the next.
/// Threads:  the shard's.
class BatchReader {
  public:
    static constexpr std::size_t disk_bytes_max = 16_MiB;
    /// Batches of one partition, in their order.
    // NOLINTNEXTLINE(bugprone-exception-escape): of small_vector, whose moves do not throw here
    struct Part {
        PartitionId partition;
        Offset from;
        BatchPlaces places;
    };

    BatchReader(SegmentFiles& files, const CommitWriter& writer, ReadBuffers& buffers)
        : files_(files), writer_(writer), buffers_(buffers) {}

    /// Reading over a smaller gap is cheaper than another read.
    static constexpr std::size_t gap_bytes_default = 64_KiB;

    /// One result a part; without runs where there was no room.
    void read(std::vector<Part> parts,
              ReadAllDone done,
              std::size_t gap_bytes_max = gap_bytes_default);

  private:
    SegmentFiles& files_;
    const CommitWriter& writer_;
    ReadBuffers& buffers_;
};

}  // namespace millrace::storage
