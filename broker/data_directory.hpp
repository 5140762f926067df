#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "storage/base/result.hpp"

namespace millrace::broker {

/// What node.json says.
struct NodeIdentity {
    std::uint64_t node_id = 1;
    std::uint32_t shard_count = 1;
    std::uint32_t format_version = 1;
    std::string cluster_id = {};                        ///< empty: it belongs to none yet
    std::map<std::uint64_t, std::string> members = {};  ///< of the cluster, and where they hear it
};

/// The data directory of a node: taken by one process at a time.
///
/// On disk:  `lock` (held, not read) and `node.json`.
class DataDirectory {
  public:
    /// Makes the directory where it is missing. Errors: locked, with who to look for; io.
    [[nodiscard]] static Result<DataDirectory> take(const std::string& path);
    DataDirectory(DataDirectory&& other) noexcept;
    DataDirectory& operator=(DataDirectory&& other) noexcept;
    DataDirectory(const DataDirectory&) = delete;
    DataDirectory& operator=(const DataDirectory&) = delete;
    ~DataDirectory();

    /// `shards_wanted` 0: what stands, or `shards_default` for a new directory. May only grow.
    /// `node_wanted` 0: what stands, or 1; it never changes. Errors: newer_format with both
    /// versions, configuration, corrupt.
    [[nodiscard]] Result<NodeIdentity> identify(std::uint32_t shards_wanted,
                                                std::uint32_t shards_default,
                                                std::uint64_t node_wanted) const;
    /// Errors: io.
    [[nodiscard]] Result<void> keep(const NodeIdentity& identity) const;

  private:
    DataDirectory(std::string path, int lock) : path_(std::move(path)), lock_(lock) {}
    std::string path_;
    int lock_ = -1;
};

}  // namespace millrace::broker
