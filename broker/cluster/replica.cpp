#include "broker/cluster/replica.hpp"

#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::cluster {
namespace {

/// Often enough that some arrive within an election timeout although one is late.
constexpr int heartbeats_per_election = 4;
constexpr int ticks_per_election = 12;

}  // namespace

Replica::Replica(const ClusterNodes& nodes,
                 ShardId shard,
                 std::uint32_t shard_count,
                 Duration election_timeout,
                 Runtime& runtime,
                 MetricsRegistry& metrics)
    : voters_(nodes.voters()),
      election_timeout_(election_timeout),
      mesh_({.self = nodes.self(),
             .shard = shard,
             .shard_count = shard_count,
             .nodes = nodes.endpoints_of(shard)},
            runtime,
            metrics) {}

ShardCluster Replica::options() {
    return {.voters = voters_,
            .links = &mesh_,
            .tick = election_timeout_ / ticks_per_election,
            .election_timeout = election_timeout_,
            .heartbeat_timeout = election_timeout_ / heartbeats_per_election};
}

Result<void> Replica::start(Shard& shard, std::function<void(NodeId leader)> on_behind) {
    shard_ = &shard;
    on_behind_ = std::move(on_behind);
    is_founded_ = !shard.is_new();
    shard.on_behind(on_behind_);
    return mesh_.start(
        {.on_message =
             [&shard](NodeId from, GroupId group, std::span<const std::byte> message) {
                 shard.receive(from, group, message);
             },
         .on_links = [this] { see_links(); },
         .is_new = [&shard] { return shard.is_new(); },
         .cluster_id = [&shard] { return shard.catalog().view()->cluster_id; },
         .list = [this](bool has_forgotten) { return list(has_forgotten); },
         .read =
             [&shard](const storage::SegmentRead& read, storage::SegmentReadDone done) {
                 shard.store().read_segment(read, std::move(done));
             }});
}

/// A replica on which nothing was ever agreed founds the cluster with others like it, and asks for
/// a copy where there is more than that.
void Replica::see_links() {
    if (is_founded_) {
        return;
    }
    if (mesh_.are_all_new()) {
        is_founded_ = true;
        if (const auto founded = shard_->found(); !founded) {
            log_error("shard " + std::to_string(shard_->id().value),
                      "cannot found the cluster: " + founded.error().text);
        }
    } else if (mesh_.has_elder()) {
        is_founded_ = true;
        on_behind_(NodeId{});
    }
}

/// A node that knows its votes sees by the term whether this leader still counts, and may be the
/// one without whom it can't commit anything; one that has forgotten them needs a leader that has.
Result<peers::ShardListing> Replica::list(bool has_forgotten) const {
    const auto standing = shard_->standing();
    if (has_forgotten ? !standing.leads : !standing.leads_all) {
        return fail(Errc::not_leader, "this node does not lead the shard");
    }
    // What the other had acknowledged before counts here for good, so the copy has to have it.
    MILLRACE_TRY(shard_->store().sync());
    peers::ShardListing listing;
    for (const auto& group : shard_->groups()) {
        listing.terms[group.group.value] = group.role.term.value;
    }
    listing.segments = shard_->store().list_segments();
    return listing;
}

}  // namespace millrace::broker::cluster
