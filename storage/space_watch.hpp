#pragma once

#include <cstdint>

#include "storage/io/disk.hpp"
#include "storage/shard_store.hpp"

namespace millrace::storage {

/// How much room is left on the disk of a store.
///
/// Threads:  the shard's.
class SpaceWatch {
  public:
    SpaceWatch(Disk& disk, const StoreOptions& options) : disk_(disk), options_(options) {}

    /// Asks the disk, and logs when the answer changes what is taken.
    void look();
    /// Less than `disk_reserve_bytes` is left, or the disk does not say.
    [[nodiscard]] bool is_short() const { return is_short_; }
    [[nodiscard]] std::uint64_t free_bytes() const { return free_bytes_; }

  private:
    Disk& disk_;
    const StoreOptions& options_;
    std::uint64_t free_bytes_ = 0;
    bool is_short_ = false;
};

}  // namespace millrace::storage
