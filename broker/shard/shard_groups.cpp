#include "broker/shard/shard_groups.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "storage/base/logging.hpp"

namespace millrace::broker {
namespace {

constexpr GroupId catalog_group{0};

/// A node that could lead every group.
struct Heir {
    NodeId node;
    std::uint64_t matches = 0;
    bool can_lead = true;
};

void count_replica(std::vector<Heir>& heirs, const consensus::ReplicaProgress& replica) {
    auto found = std::ranges::find(heirs, replica.node, &Heir::node);
    if (found == heirs.end()) {
        found = heirs.insert(found, {.node = replica.node});
    }
    found->matches += replica.match.value;
    found->can_lead = found->can_lead && replica.votes && replica.is_heard && !replica.is_behind;
}

}  // namespace

ShardGroups::ShardGroups(const ShardOptions& options,
                         Runtime& runtime,
                         storage::ShardStore* const& store,
                         Wiring wiring)
    : shard_(options.id) {
    consensus::GroupOptions group{.group = data_group(options.id),
                                  .self = options.node,
                                  .random_seed = options.random_seed,
                                  .on_failure = std::move(wiring.on_failure)};
    if (const auto& cluster = options.cluster) {
        group.voters = cluster->voters;
        group.links = cluster->links;
        group.address = cluster->address;
        group.goes_on_alone = cluster->goes_on_alone;
        group.tick = cluster->tick;
        group.election_timeout = cluster->election_timeout;
        group.heartbeat_timeout = cluster->heartbeat_timeout;
        group.trailing_bytes_max = cluster->trailing_bytes_max;
        group.catch_up_bytes_per_second = cluster->catch_up_bytes_per_second;
        group.on_caught_up = std::move(wiring.on_caught_up);
        group.on_role = [tell = std::move(wiring.on_role)](const consensus::Role&) { tell(); };
        group.on_behind = std::move(wiring.on_behind);
        group.on_members = std::move(wiring.on_members);
    }
    if (options.id.value == 0) {
        auto first = group;
        first.group = catalog_group;
        groups_.push_back(
            std::make_unique<consensus::Group>(first, runtime, store, wiring.catalog));
    }
    groups_.push_back(std::make_unique<consensus::Group>(group, runtime, store, wiring.data));
}

bool ShardGroups::has(GroupId group) const {
    return group == data_group(shard_) || (group == catalog_group && shard_.value == 0);
}

consensus::Group& ShardGroups::group_of(GroupId group) {
    return group == catalog_group ? catalog() : data();
}

void ShardGroups::recover_frame(const storage::FrameView& frame,
                                storage::FramePlace place,
                                bool in_state) {
    group_of(frame.group).recover_frame(frame, place, in_state);
}

Result<void> ShardGroups::load() {
    for (const auto& group : groups_) {
        MILLRACE_TRY(group->load());
    }
    return ok();
}

Result<void> ShardGroups::start() {
    has_started_ = true;
    for (const auto& group : groups_) {
        MILLRACE_TRY(group->start());
    }
    return ok();
}

bool ShardGroups::is_new() const {
    return std::ranges::all_of(groups_, [](const auto& group) { return group->is_new(); });
}

void ShardGroups::receive(NodeId from, GroupId group, std::span<const std::byte> message) {
    const auto received = has(group) ? group_of(group).receive(from, message)
                                     : Result<void>(fail(Errc::unknown_group, "it is not here"));
    if (!received) {
        log_warning("shard " + std::to_string(shard_.value),
                    "a message of node " + std::to_string(from.value) + " for group " +
                        std::to_string(group.value) + " was dropped: " + received.error().text);
    }
}

ShardStanding ShardGroups::standing() const {
    ShardStanding standing{
        .leads = has_started_, .leads_all = has_started_, .leader = groups_.front()->role().leader};
    for (const auto& group : groups_) {
        const auto role = group->role();
        standing.leads = standing.leads && role.leads;
        standing.leads_some = standing.leads_some || group->is_leader();
        standing.leads_all = standing.leads_all && group->is_leader();
    }
    // Who leads again begins anew all the same.
    if (has_lost_lead()) {
        standing.leads = false;
        standing.leads_all = false;
    }
    return standing;
}

void ShardGroups::transfer(NodeId to) {
    for (const auto& group : groups_) {
        group->transfer(to);
    }
}

void ShardGroups::serve() {
    for (const auto& group : groups_) {
        group->serve();
    }
}

bool ShardGroups::has_lost_lead() const {
    return std::ranges::any_of(groups_, [](const auto& group) { return group->has_lost_lead(); });
}

bool ShardGroups::is_transferring() const {
    return std::ranges::any_of(groups_, [](const auto& group) { return group->is_transferring(); });
}

void ShardGroups::confirm(const consensus::ConfirmDone& done) {
    const auto left = std::make_shared<std::size_t>(groups_.size());
    const auto hear = [left, done](const Result<void>& confirmed) {
        // The first refusal is the last answer.
        if (*left > 0 && (!confirmed || --*left == 0)) {
            *left = 0;
            done(confirmed);
        }
    };
    for (const auto& group : groups_) {
        group->confirm(hear);
    }
}

/// One that has most may hear nothing, so that the next try goes to another.
bool ShardGroups::hand_over(NodeId preferred) {
    std::vector<Heir> heirs;
    for (const auto& group : groups_) {
        for (const auto& replica : group->status().replicas) {
            count_replica(heirs, replica);
        }
    }
    std::erase_if(heirs, [](const Heir& heir) { return !heir.can_lead; });
    std::ranges::sort(heirs, std::greater(), [preferred](const Heir& heir) {
        return std::pair(heir.node == preferred, heir.matches);
    });
    if (heirs.empty()) {
        return false;
    }
    if (std::exchange(preferred_heir_, preferred) != preferred) {
        heirs_tried_ = 0;
    }
    // What is under way is asked for once more.
    heirs_tried_ += heirs_tried_ == 0 || !is_transferring() ? 1U : 0U;
    transfer(heirs[(heirs_tried_ - 1) % heirs.size()].node);
    return true;
}

std::vector<consensus::GroupStatus> ShardGroups::status() const {
    std::vector<consensus::GroupStatus> all;
    all.reserve(groups_.size());
    for (const auto& group : groups_) {
        all.push_back(group->status());
    }
    return all;
}

void ShardGroups::change_members(GroupId group,
                                 const consensus::MemberChange& change,
                                 std::function<void(Result<void>)> done) {
    if (!has(group)) {
        done(fail(Errc::unknown_group, "group " + std::to_string(group.value) + " is not here"));
        return;
    }
    group_of(group).change(change, std::move(done));
}

void ShardGroups::on_durable(CommitSequence commit) {
    for (const auto& group : groups_) {
        group->on_durable(commit);
    }
}

CommitSequence ShardGroups::applied_upto() const {
    CommitSequence upto{UINT64_MAX};
    for (const auto& group : groups_) {
        upto = std::min(upto, group->applied_upto());
    }
    return upto;
}

void ShardGroups::on_failed(const Error& error) {
    for (const auto& group : groups_) {
        group->on_failed(error);
    }
}

void ShardGroups::write_state(storage::StateWriter& state) const {
    for (const auto& group : groups_) {
        group->write_state(state);
    }
}

void ShardGroups::stop() {
    for (const auto& group : groups_) {
        group->stop();
    }
}

}  // namespace millrace::broker
