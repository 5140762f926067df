#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "storage/log/commit_writer.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Gives out the files of the log as they are, to whoever copies the shard.
///
/// Promise:  what is listed is durable and never changes as long as its hash seed stays.
/// Threads:  the shard's.
class SegmentReader {
  public:
    /// Where the last commit of a segment ends that counts, before its padding or behind it.
    using UsedBytes = std::function<std::uint64_t(SegmentSequence)>;

    SegmentReader(const SegmentFiles& files, const CommitWriter& writer, UsedBytes used_bytes)
        : files_(files), writer_(writer), used_bytes_(std::move(used_bytes)) {}

    [[nodiscard]] std::vector<SegmentExtent> list() const;
    void read(const SegmentRead& request, SegmentReadDone done) const;
    [[nodiscard]] std::uint64_t durable_bytes(SegmentSequence segment) const;

  private:
    /// The segment to read from. Errors: not_found, invalid_argument.
    [[nodiscard]] Result<Segment> check(const SegmentRead& request) const;

    const SegmentFiles& files_;
    const CommitWriter& writer_;
    UsedBytes used_bytes_;
};

}  // namespace millrace::storage
