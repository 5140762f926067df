#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "broker/cluster/cluster_nodes.hpp"
#include "broker/cluster/cluster_record.hpp"
#include "broker/peers/peer_wire.hpp"
#include "broker/shard/shard.hpp"
#include "storage/io/disk.hpp"
#include "storage/repair/segment_repair.hpp"

namespace millrace::broker::cluster {

/// How far a replica was when its copy began. One that has taken an entry or given a vote since
/// must not be replaced by it: others count on what it said.
struct ReplicaMark {
    std::map<std::uint32_t, std::uint64_t> terms;  ///< by group
    std::map<std::uint32_t, std::uint64_t> lasts;
    bool operator==(const ReplicaMark&) const = default;
};
[[nodiscard]] ReplicaMark mark_of(const Shard& shard);

/// Copies of a data directory's shards from the nodes that lead them.
///
/// A replica that is merely behind is copied while it goes on to vote; one that has forgotten what
/// it voted and acknowledged, because its disk is new or damaged, takes part in nothing before it
/// has its copy. On disk:  shard-NN.wanted beside shard-NN: it has forgotten, and has no copy yet.
struct ShardCopies {
    std::string data_directory;
    const ClusterNodes& nodes;
    const ClusterRecord& record;
    std::uint32_t shard_count = 1;
    std::uint64_t bytes_per_second = 0;  ///< 0: no limit

    /// The next start copies the shard before it opens. Errors: io.
    [[nodiscard]] Result<void> ask_for(ShardId shard) const;
    /// Before the shards open: puts `pulled` in their places, ends what a crash interrupted, and
    /// copies what is asked for, for as long as it takes to find a leader. Blocks. Errors: io,
    /// out_of_space, shutting_down.
    [[nodiscard]] Result<void> run(storage::Disk& disk,
                                   const std::vector<ShardId>& pulled,
                                   const std::atomic<bool>& is_stopping) const;
    /// Copies a shard that is open beside it, once. `terms`: what it has seen. Blocks; any thread.
    /// Errors: as CopySource's and copy_shard's.
    [[nodiscard]] Result<void> pull(storage::Disk& disk,
                                    ShardId shard,
                                    const std::map<std::uint32_t, std::uint64_t>& terms,
                                    const std::atomic<bool>& is_stopping) const;
    /// Repairs a segment of a shard that is open, with entries of any of the other nodes. Blocks;
    /// any thread. Errors: as repair_segment's.
    [[nodiscard]] Result<storage::RepairOutcome> repair(storage::Disk& disk,
                                                        ShardId shard,
                                                        const storage::RepairTask& task,
                                                        const std::atomic<bool>& is_stopping) const;

  private:
    [[nodiscard]] peers::PeerHello hello_of(ShardId shard) const;
    [[nodiscard]] std::vector<Endpoint> others_of(ShardId shard) const;
    [[nodiscard]] std::string directory_of(ShardId shard) const;
    [[nodiscard]] Result<void> pull_from(storage::Disk& disk,
                                         ShardId shard,
                                         const std::map<std::uint32_t, std::uint64_t>& terms,
                                         bool has_forgotten,
                                         const std::atomic<bool>& is_stopping) const;
    [[nodiscard]] Result<void> copy(storage::Disk& disk,
                                    ShardId shard,
                                    const std::atomic<bool>& is_stopping) const;
};

}  // namespace millrace::broker::cluster
