#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "storage/base/ids.hpp"
#include "storage/base/result.hpp"
#include "storage/index/key_value.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// How far an index is; the rows `m`.
struct IndexMarks {
    std::uint64_t epoch = 0;      ///< of the last writer
    CommitSequence checkpoint;    ///< the last commit that the state contains
    SegmentSequence sealed_upto;  ///< everything up to it is in the rows
};

struct OpenedIndex {
    std::unique_ptr<KeyValueStore> rows;
    IndexMarks marks;
    /// Nothing is in it: the log must be read whole. So it is where `rebuild_index` asks for that,
    /// where the index was lost, and where an earlier build did not get to its first checkpoint.
    bool is_empty = false;
};
/// Errors: io, corrupt.
[[nodiscard]] Result<OpenedIndex> open_index(const StoreOptions& options);

/// A writer begins. An index that is empty counts as such until its first checkpoint.
void mark_opened(KeyValueBatch& batch, std::uint64_t epoch, bool is_empty);
void mark_checkpoint(KeyValueBatch& batch,
                     CommitSequence upto,
                     std::optional<SegmentSequence> sealed_upto);

}  // namespace millrace::storage
