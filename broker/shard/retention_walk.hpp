#pragma once

#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker {

/// Keeps every partition to its topic's retention, a slice of them at each step, so that many
/// partitions never make a turn long.
class RetentionWalk {
  public:
    /// Looks at the next slice. Errors: of the last partition that failed; the others were looked
    /// at.
    [[nodiscard]] Result<void> step(const CatalogView& catalog, storage::ShardStore& store);

  private:
    std::vector<PartitionId> queue_;
};

}  // namespace millrace::broker
