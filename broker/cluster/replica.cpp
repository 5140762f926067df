#include "broker/cluster/replica.hpp"

#include <algorithm>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::cluster {
namespace {

/// Often enough that some arrive within an election timeout although one is late.
constexpr int heartbeats_per_election = 4;
constexpr int ticks_per_election = 12;

std::vector<std::uint64_t> founders(const ClusterNodes& nodes) {
    std::vector<std::uint64_t> ids;
    for (const auto& voter : nodes.voters()) {
        ids.push_back(voter.node.value);
    }
    return ids;
}

std::string describe(const consensus::GroupStatus& before, const consensus::MemberChange& change) {
    const auto node = "node " + std::to_string(change.node.value);
    if (!change.role) {
        return node + " leaves";
    }
    switch (*change.role) {
        case consensus::MemberRole::voter:
            return node + " becomes a voter";
        case consensus::MemberRole::standby:
            return node + (consensus::is_voter(before.members, change.node) ? " votes no more"
                                                                            : " is sent the log");
        case consensus::MemberRole::spare:
            break;
    }
    return node + " joins";
}

void tell(GroupId group, const std::string& what, const Result<void>& done) {
    if (done || done.error().code != Errc::conflict) {
        log_info("group " + std::to_string(group.value),
                 what + (done ? "" : ": " + done.error().text));
    }
}

/// The first group as its leader `self` knows it.
std::vector<PlacementCandidate> candidates_of(const std::vector<consensus::Member>& members,
                                              const peers::PeerState& self,
                                              const std::vector<peers::PeerState>& others,
                                              const std::set<NodeId>& drained,
                                              const PlacementRules& rules) {
    std::vector<PlacementCandidate> candidates;
    candidates.reserve(members.size());
    for (const auto& member : members) {
        const auto other = std::ranges::find(others, member.node, &peers::PeerState::node);
        const auto known = member.node == self.node ? self
                           : other != others.end()  ? *other
                                                    : peers::PeerState{.node = member.node};
        const auto label = known.labels.find(rules.spread_by);
        candidates.push_back({.node = member.node,
                              .place = label == known.labels.end() ? "" : label->second,
                              .votes = member.role == consensus::MemberRole::voter,
                              .is_linked = known.is_linked,
                              .is_lost = rules.replace_after > Duration(0) && !known.is_linked &&
                                         known.unlinked_for > rules.replace_after,
                              .is_drained = drained.contains(member.node)});
    }
    return candidates;
}

}  // namespace

Replica::Replica(const Options& options,
                 ClusterRecord& record,
                 Runtime& runtime,
                 MetricsRegistry& metrics)
    : nodes_(options.nodes),
      record_(record),
      number_(options.shard),
      election_timeout_(options.election_timeout),
      copy_bytes_per_second_(options.copy_bytes_per_second),
      placement_(options.placement),
      mesh_({.self = nodes_.self(),
             .shard = number_,
             .shard_count = options.shard_count,
             .nodes = nodes_.endpoints_of(number_),
             .founders = founders(nodes_),
             .labels = options.labels,
             .codec = options.codec},
            runtime,
            metrics) {}

ShardCluster Replica::options() {
    return {.voters = nodes_.voters(),
            .links = &mesh_,
            .address = nodes_.own_address(),
            .tick = election_timeout_ / ticks_per_election,
            .election_timeout = election_timeout_,
            .heartbeat_timeout = election_timeout_ / heartbeats_per_election,
            .catch_up_bytes_per_second = copy_bytes_per_second_};
}

Result<void> Replica::start(Shard& shard,
                            peers::NodeAddresses addresses,
                            std::function<void(NodeId leader)> on_behind) {
    shard_ = &shard;
    on_behind_ = std::move(on_behind);
    is_founded_ = !shard.is_new();
    shard.on_behind(on_behind_);
    shard.on_members([this] { see_members(); });
    see_members();
    MILLRACE_TRY(mesh_.start(
        std::move(addresses),
        {.on_message =
             [&shard](NodeId from, GroupId group, std::span<const std::byte> message) {
                 shard.receive(from, group, message);
             },
         .on_links = [this] { see_links(); },
         .is_new = [&shard] { return shard.is_new(); },
         .cluster_id = [this] { return record_.id(); },
         .list = [this](bool has_forgotten,
                        const peers::PeerMesh::ListDone& done) { list(has_forgotten, done); },
         .read =
             [&shard](const storage::SegmentRead& read, storage::SegmentReadDone done) {
                 shard.store().read_segment(read, std::move(done));
             },
         .find_entry =
             [&shard](const storage::EntryRequest& request, storage::FindEntryDone done) {
                 shard.find_entry(request, std::move(done));
             },
         .on_doubt =
             [&shard](const storage::SegmentExtent& extent) {
                 shard.store().check_segment(extent.segment, extent.hash_seed);
             }}));
    see_links();  // a cluster of one has none
    return ok();
}

/// Once there are members they count, not the setting: it may be older.
void Replica::see_members() {
    record_.learn_id(shard_->catalog().view()->cluster_id);
    if (shard_->is_new()) {
        return;
    }
    std::vector<consensus::Member> all;
    const auto groups = shard_->groups();
    for (const auto& group : groups) {
        all.insert(all.end(), group.members.begin(), group.members.end());
    }
    mesh_.set_nodes(nodes_.endpoints_of(number_, all));
    if (number_.value == 0) {
        record_.learn_members(groups.front().members);
    }
}

Heard Replica::heard() const {
    Heard heard;
    for (const auto& peer : mesh_.peers()) {
        if (peer.is_linked) {
            heard.linked.insert(peer.node);
        }
        if (peer.is_linked && !peer.is_new) {
            heard.filled.insert(peer.node);
        }
    }
    return heard;
}

std::vector<consensus::Member> Replica::wanted_members() const {
    const auto group = shard_->groups().front();
    if (!group.role.leads) {
        return {};
    }
    auto members = group.members;
    const auto gone = leaving();
    const auto linked = heard().linked;
    std::erase_if(members, [&](const consensus::Member& member) {
        return gone.contains(member.node) && member.node != nodes_.self() &&
               check_removal(group.members, nodes_.self(), member.node, linked).has_value();
    });
    const auto voters =
        choose_voters(candidates_of(members, mesh_.own(), mesh_.peers(), drained(), placement_),
                      nodes_.self(),
                      placement_.voters_max);
    for (auto& member : members) {
        member.role = voters.contains(member.node) ? consensus::MemberRole::voter
                                                   : consensus::MemberRole::standby;
    }
    return members;
}

std::set<NodeId> Replica::drained() const {
    return shard_->catalog().view()->drained;
}

std::set<NodeId> Replica::leaving() const {
    return shard_->catalog().view()->leaving;
}

void Replica::change(const consensus::GroupStatus& group, const consensus::MemberChange& step) {
    shard_->change_members(group.group,
                           step,
                           [what = describe(group, step), number = group.group](
                               const Result<void>& done) { tell(number, what, done); });
}

void Replica::converge(const std::vector<consensus::Member>& wanted) {
    const auto links = heard();
    for (const auto& group : shard_->groups()) {
        const auto step = group.role.leads ? next_member_change(group, nodes_.self(), wanted, links)
                                           : std::nullopt;
        if (step) {
            change(group, *step);
        }
    }
}

/// A leader that dies between two steps leaves groups with different voters: who leads the first
/// one may be a standby of another.
void Replica::give_lead(NodeId to) {
    const auto links = heard();
    for (const auto& group : shard_->groups()) {
        const auto step =
            group.role.leads ? step_to_lead(group, nodes_.self(), to, links) : std::nullopt;
        if (step) {
            change(group, *step);
        }
    }
    shard_->transfer(to);
}

void Replica::make_way(NodeId leader) {
    if (!shard_->hand_over(leader) && leader.value != 0 && leader != nodes_.self()) {
        give_lead(leader);
    }
}

void Replica::add_member(NodeId node, std::string address, CommandDone done) {
    const auto group = shard_->groups().front();
    if (group.role.leads && consensus::find_member(group.members, node) != nullptr) {
        done(fail(Errc::conflict, "node " + std::to_string(node.value) + " is a member already"));
        return;
    }
    const consensus::MemberChange joins{
        .node = node, .role = consensus::MemberRole::spare, .address = std::move(address)};
    const auto join =
        [this, number = group.group, joins, done = std::move(done)](const Result<void>& forgotten) {
            forgotten ? shard_->change_members(number, joins, done) : done(forgotten);
        };
    // What was said of one that had its number is not meant for it.
    if (drained().contains(node)) {
        shard_->catalog().set_node_duty(node, NodeDuty::full, join);
    } else {
        join(ok());
    }
}

void Replica::remove_member(NodeId node, CommandDone done) {
    const auto group = shard_->groups().front();
    const bool leaves = group.role.leads && node == nodes_.self();
    auto may = leaves ? check_drain(group, node, drained()) : Result<void>(ok());
    if (may && group.role.leads) {
        may = check_removal(group.members, nodes_.self(), node, heard().linked);
    }
    if (!may) {
        done(std::move(may));
    } else if (leaves) {
        shard_->catalog().set_node_duty(node, NodeDuty::leaving, std::move(done));
    } else {
        shard_->change_members(group.group, {.node = node, .role = {}}, std::move(done));
    }
}

void Replica::drain_member(NodeId node, bool drained, CommandDone done) {
    const auto group = shard_->groups().front();
    if (auto may = check_drain(group, node, this->drained()); drained && !may) {
        done(std::move(may));
    } else {
        shard_->catalog().set_node_duty(
            node, drained ? NodeDuty::drained : NodeDuty::full, std::move(done));
    }
}

/// A replica on which nothing was ever agreed founds the cluster with others like it, and asks for
/// a copy where there is more than that.
void Replica::see_links() {
    if (tell_links_) {
        tell_links_();
    }
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
/// one without whom it can't commit anything. One that has forgotten them needs a leader that the
/// others follow now: another may have been elected, with a vote that nobody remembers.
void Replica::list(bool has_forgotten, const peers::PeerMesh::ListDone& done) const {
    if (!has_forgotten) {
        done(listing());
        return;
    }
    if (!shard_->standing().leads) {
        done(fail(Errc::not_leader, "this node does not lead the shard"));
        return;
    }
    shard_->confirm_lead([this, done](const Result<void>& confirmed) {
        done(confirmed ? listing() : Result<peers::ShardListing>(confirmed.error()));
    });
}

Result<peers::ShardListing> Replica::listing() const {
    if (!shard_->standing().leads_all) {
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
