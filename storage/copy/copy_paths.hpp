#pragma once

#include <filesystem>
#include <string>

namespace millrace::storage {

/// Where a copy of a shard lies until it has taken the shard's place. A copy that has the mark is
/// whole and is to be installed, whatever happens.
struct CopyPaths {
    explicit CopyPaths(const std::string& shard)
        : directory(shard),
          parent((std::filesystem::path(".") / shard).parent_path().string()),
          incoming(shard + ".incoming"),
          incoming_log(incoming + "/log"),
          incoming_mark(incoming + "/complete"),
          installed_mark(directory + "/complete"),
          old(shard + ".old") {}

    std::string directory;  ///< data/shard-00
    std::string parent;
    std::string incoming;
    std::string incoming_log;
    std::string incoming_mark;
    std::string installed_mark;  ///< the same file, once the copy is in place
    std::string old;
};

}  // namespace millrace::storage
