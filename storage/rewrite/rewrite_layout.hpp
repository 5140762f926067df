#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "storage/format/append_order.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// A batch and where it is taken from.
struct BatchMove {
    OrderedBatch batch;      ///< `position` is where it comes to lie
    std::uint64_t from = 0;  ///< in the file before
};

/// A frame of the new file. Its payload is either a run of batches or given.
struct PlacedFrame {
    std::size_t at = 0;  ///< in its commit
    std::size_t payload_bytes = 0;
    std::uint32_t batch_count = 0;
    std::string order;  ///< empty: batches
};

struct PlacedCommit {
    std::uint64_t position = 0;
    std::size_t bytes = 0;       ///< with its header and without padding
    std::size_t first_move = 0;  ///< of `RewriteLayout::moves`
    std::size_t move_count = 0;
    std::vector<PlacedFrame> frames;
    [[nodiscard]] std::size_t disk_bytes() const;
};

/// Where everything of a rewritten segment comes to lie: batches by partition and offset, then the
/// order in which they were appended.
struct RewriteLayout {
    std::vector<BatchMove> moves;
    std::vector<PlacedCommit> commits;
    std::uint32_t order_block = 0;
    std::uint64_t file_bytes = 0;
};

/// Sets the positions of the batches. **Requires** that each fits into a commit.
[[nodiscard]] RewriteLayout lay_out(std::vector<BatchMove> moves, std::size_t commit_bytes_max);

}  // namespace millrace::storage
