#pragma once

#include <cstddef>
#include <vector>

#include "storage/base/result.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// Where entries come from that can't be read here: the logs of other replicas.
///
/// Threads:  one at a time, any; blocks.
class EntrySource {
  public:
    EntrySource() = default;
    EntrySource(const EntrySource&) = delete;
    EntrySource& operator=(const EntrySource&) = delete;
    EntrySource(EntrySource&&) = delete;
    EntrySource& operator=(EntrySource&&) = delete;
    virtual ~EntrySource() = default;

    /// As ShardStore::find_entry, of one where the entry is committed. Errors: not_found where
    /// nobody has it; unavailable where somebody may have it who can't be asked now; shutting_down.
    [[nodiscard]] virtual Result<std::vector<std::byte>> fetch(const EntryRequest& request) = 0;
};

}  // namespace millrace::storage
