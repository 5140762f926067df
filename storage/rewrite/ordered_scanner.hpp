#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "storage/format/append_order.hpp"
#include "storage/log/batch_reader.hpp"
#include "storage/log/segment_files.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Reads a segment that was rewritten in the order in which its batches were appended. A cursor
/// names a position in the segment as it was then, so that one of before goes on.
///
/// Threads:  the shard's. Keeps the order of one segment in memory.
class OrderedScanner {
  public:
    OrderedScanner(SegmentFiles& files, const CommitWriter& writer, ReadBuffers& buffers)
        : batches_(files, writer, buffers) {}

    /// `behind` is where the log goes on. **Requires** `segment.header.is_rewritten()`.
    void scan(const Segment& segment,
              ScanCursor from,
              std::size_t bytes_max,
              ScanCursor behind,
              ScanDone done);

    /// Once a tick: what nobody has asked for since the last one is not kept.
    void rest();

  private:
    struct Order {
        SegmentSequence segment;
        std::uint32_t generation = 0;
        std::vector<OrderedBatch> batches;
    };
    struct Page {
        ScanCursor from;
        std::size_t bytes_max = 0;
        ScanCursor behind;
        ScanDone done;
    };
    using OrderDone = std::function<void(Result<std::shared_ptr<const Order>>)>;
    void load(const Segment& segment, OrderDone done);
    void read(const std::shared_ptr<const Order>& order, Page page);

    BatchReader batches_;
    std::shared_ptr<const Order> order_;
    bool was_used_ = false;
};

}  // namespace millrace::storage
