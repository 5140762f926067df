#pragma once

#include <string>

#include "storage/base/result.hpp"
#include "storage/io/disk.hpp"

namespace millrace::storage {

/// Puts the copy that `copy_shard` made in the place of the shard, whose old directory is removed
/// with its index: the next `ShardStore::open` builds that anew from the log.
///
/// Promise:  a crash at any point leaves the old shard or the copy, whole, once `finish_install`
///           has run. After an error it is left to that, too, at the next start.
/// Threads:  any; blocks, for as long as it takes to remove the old files.
/// On disk:  the file `complete` in the copy's directory decides: from then on it is the copy that
///           counts. The old directory is renamed to `.old`, the copy to its place, the old one
///           removed, and the file last.
/// **Requires** that `copy_shard` has succeeded since the start, and that nobody has the shard
/// open.
/// Errors: not_found where there is no copy; io.
[[nodiscard]] Result<void> install_copy(Disk& disk, const std::string& directory);

/// To be called at every start before the store is opened: ends what a crash interrupted. A copy
/// that was not complete stays, for `copy_shard` to go on with. Errors: io.
[[nodiscard]] Result<void> finish_install(Disk& disk, const std::string& directory);

}  // namespace millrace::storage
