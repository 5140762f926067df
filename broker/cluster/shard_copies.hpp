#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "broker/cluster/cluster_nodes.hpp"
#include "storage/io/disk.hpp"

namespace millrace::broker::cluster {

/// The shards of a data directory that have to be copied from their leaders.
///
/// On disk:  shard-NN.wanted beside shard-NN: the terms that this node had seen by then, so that it
/// takes no copy from a leader of before.
struct ShardCopies {
    std::string data_directory;
    const ClusterNodes& nodes;
    std::uint32_t shard_count = 1;
    std::uint64_t bytes_per_second = 0;  ///< 0: no limit

    /// To be called when the shard is closed, or soon will be: `run` of the next start copies it.
    /// `terms`: by group. Errors: io.
    [[nodiscard]] Result<void> ask_for(ShardId shard,
                                       const std::map<std::uint32_t, std::uint64_t>& terms) const;
    [[nodiscard]] bool is_any_wanted() const;
    /// Before the shards open: ends what a crash interrupted, and copies what is asked for; tries
    /// again until a leader is found. Blocks. Errors: io, shutting_down.
    [[nodiscard]] Result<void> run(storage::Disk& disk, const std::atomic<bool>& is_stopping) const;

  private:
    [[nodiscard]] std::string directory_of(ShardId shard) const;
    [[nodiscard]] Result<void> copy(storage::Disk& disk,
                                    ShardId shard,
                                    const std::map<std::uint32_t, std::uint64_t>& terms,
                                    const std::atomic<bool>& is_stopping) const;
};

}  // namespace millrace::broker::cluster
