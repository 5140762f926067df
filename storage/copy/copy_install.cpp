#include "storage/copy/copy_install.hpp"

#include "storage/base/logging.hpp"
#include "storage/copy/copy_paths.hpp"

namespace millrace::storage {
namespace {

/// The mark goes last: until then a start looks for what is left to remove.
Result<void> remove_replaced(Disk& disk, const CopyPaths& paths) {
    MILLRACE_TRY(disk.remove_directory(paths.old));
    MILLRACE_TRY(disk.sync_directory(paths.parent));
    MILLRACE_TRY(disk.remove(paths.installed_mark));
    return disk.sync_directory(paths.directory);
}

Result<void> change_places(Disk& disk, const CopyPaths& paths) {
    MILLRACE_TRY(const bool has_shard, disk.exists(paths.directory));
    if (has_shard) {
        // One that is there already was left by somebody else, or has an empty successor.
        MILLRACE_TRY(disk.remove_directory(paths.old));
        MILLRACE_TRY(disk.rename(paths.directory, paths.old));
        MILLRACE_TRY(disk.sync_directory(paths.parent));
    }
    MILLRACE_TRY(disk.rename(paths.incoming, paths.directory));
    MILLRACE_TRY(disk.sync_directory(paths.parent));
    return remove_replaced(disk, paths);
}

}  // namespace

Result<void> install_copy(Disk& disk, const std::string& directory) {
    const CopyPaths paths(directory);
    MILLRACE_TRY(const bool has_copy, disk.exists(paths.incoming_log));
    if (!has_copy) {
        return fail(Errc::not_found, paths.incoming + ": there is no copy to install");
    }
    // That the file is there says it all: what it vouches for is durable by now.
    MILLRACE_TRY(const auto mark, disk.open(paths.incoming_mark, OpenMode::create));
    MILLRACE_TRY(mark->sync_now());
    MILLRACE_TRY(disk.sync_directory(paths.incoming));
    return change_places(disk, paths);
}

Result<void> finish_install(Disk& disk, const std::string& directory) {
    const CopyPaths paths(directory);
    MILLRACE_TRY(const bool is_decided, disk.exists(paths.incoming_mark));
    if (is_decided) {
        log_info("storage", directory + ": the copy beside it takes its place");
        return change_places(disk, paths);
    }
    MILLRACE_TRY(const bool is_in_place, disk.exists(paths.installed_mark));
    if (is_in_place) {
        return remove_replaced(disk, paths);
    }
    MILLRACE_TRY(const bool has_shard, disk.exists(directory));
    MILLRACE_TRY(const bool has_old, disk.exists(paths.old));
    if (has_shard || !has_old) {
        return ok();
    }
    // The copy is not complete after all, as on a disk that has lost the mark: the old one counts.
    log_warning("storage", directory + ": the old shard is put back, its copy is not complete");
    MILLRACE_TRY(disk.rename(paths.old, directory));
    return disk.sync_directory(paths.parent);
}

}  // namespace millrace::storage
