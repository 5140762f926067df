#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "broker/catalog/catalog_view.hpp"
#include "storage/shard_store.hpp"

namespace millrace::broker {

/// Keeps every partition to its topic's retention, a slice of them at each step, so that many
/// partitions never make a turn long, and drops those whose topic is gone.
class RetentionWalk {
  public:
    /// Is told of each partition that is dropped, before the store is.
    using Forget = std::function<void(PartitionId)>;
    explicit RetentionWalk(Forget forget) : forget_(std::move(forget)) {}

    /// Looks at the next slice. `knows_all`: a partition that the catalog does not know is gone;
    /// without it, it may be one that it does not know yet. Errors: of the last partition that
    /// failed; the others were looked at.
    [[nodiscard]] Result<void> step(const CatalogView& catalog,
                                    storage::ShardStore& store,
                                    bool knows_all);
    /// **Requires** a catalog that knows every partition that was ever given out and not deleted.
    /// Drops what a new catalog has lost, all of it now. What was under way to the log then comes
    /// back with its batches, and goes with a later step. Errors: as of `step`.
    [[nodiscard]] Result<void> drop_lost(const CatalogView& catalog, storage::ShardStore& store);

  private:
    [[nodiscard]] Result<void> drop(PartitionId partition, storage::ShardStore& store);

    Forget forget_;
    std::vector<PartitionId> queue_;
};

}  // namespace millrace::broker
