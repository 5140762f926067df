#include <algorithm>
#include <utility>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/groups/consumer_groups_impl.hpp"
#include "client/wire/partitioner.hpp"

// Which offsets a group keeps: those of its members, and those of an administrator's seek; and
// who else is told of them.

namespace millrace::broker::delivery {
namespace {

constexpr std::size_t group_name_bytes_max = 249;
constexpr std::size_t offsets_per_commit_max = 100'000;  ///< fits into an entry of the log

Result<void> check_commit(const OffsetCommit& request) {
    MILLRACE_TRY(check_group_name(request.group));
    if (request.offsets.size() > offsets_per_commit_max) {
        return fail(Errc::invalid_argument,
                    "a commit of " + std::to_string(request.offsets.size()) +
                        " offsets, limit offsets_per_commit_max is " +
                        std::to_string(offsets_per_commit_max));
    }
    return ok();
}

Error not_all_kept() {
    return fail(Errc::rebalancing,
                "the group has a new generation, and what others were given is left out: join "
                "again");
}

using Shares = std::vector<std::vector<GroupOffsets>>;  ///< by shard

void share_out(const GroupOffsets& group, const CatalogView& view, Shares& shares) {
    for (const auto& one : group.offsets) {
        const auto* const ref = view.find(one.partition);
        if (ref == nullptr) {
            continue;
        }
        auto& share = shares[ref->info().shard.value];
        if (share.empty() || share.back().group != group.group) {
            share.push_back({.group = group.group, .offsets = {}});
        }
        share.back().offsets.push_back(one);
    }
}

}  // namespace

Result<void> check_group_name(const std::string& group) {
    if (group.empty()) {
        return fail(Errc::invalid_argument, "a consumer group needs a name");
    }
    if (group.size() > group_name_bytes_max) {
        return fail(Errc::invalid_argument,
                    "the name of a consumer group has " + std::to_string(group.size()) +
                        " bytes, limit group_name_bytes_max is " +
                        std::to_string(group_name_bytes_max));
    }
    return ok();
}

void ConsumerGroupsImpl::commit(OffsetCommit request, std::function<void(Result<void>)> done) {
    auto checked = check_commit(request);
    if (checked && request.member_id.empty()) {
        checked = check_seek(request);
    }
    if (!checked) {
        done(checked);
        return;
    }
    const bool is_whole = request.member_id.empty() || keep_own(request);
    if (request.offsets.empty()) {
        done(is_whole ? ok() : Result<void>(not_all_kept()));
        return;
    }
    propose(std::move(request), is_whole, std::move(done));
}

Result<void> ConsumerGroupsImpl::check_seek(const OffsetCommit& request) const {
    const auto group = groups_.find(request.group);
    if (group != groups_.end() && !group->second.members.empty()) {
        return fail(
            Errc::conflict,
            "consumer group \"" + request.group + "\" has members: stop them before a seek");
    }
    const auto lost = std::ranges::find_if(request.offsets, [this](const CommittedOffset& one) {
        return !known_partitions_.contains(one.partition);
    });
    if (lost != request.offsets.end()) {
        return fail(Errc::unknown_partition,
                    "partition " + std::to_string(lost->partition.value) + " does not exist");
    }
    return ok();
}

bool ConsumerGroupsImpl::keep_own(OffsetCommit& request) const {
    const auto group = groups_.find(request.group);
    const auto* const member =
        group == groups_.end() || !group->second.members.contains(request.member_id)
            ? nullptr
            : &group->second.members.at(request.member_id);
    if (member == nullptr || member->joined_generation != request.generation) {
        request.offsets.clear();
        return false;
    }
    const auto& holders = group->second.holders;
    const auto left_out =
        std::erase_if(request.offsets, [&holders, &request](const CommittedOffset& one) {
            const auto holder = holders.find(one.partition);
            return holder == holders.end() || holder->second != request.member_id;
        });
    return left_out == 0;
}

std::vector<std::vector<GroupOffsets>> ConsumerGroupsImpl::offsets_by_shard(
    std::uint32_t round, std::uint32_t rounds) const {
    const auto view = shard_.catalog().view();
    std::vector<std::vector<GroupOffsets>> shares(shard_.options().shard_count);
    for (const auto& [name, group] : groups_) {
        // What is left by the count of shards is the same for all that live here.
        if (wire::stable_hash(name) / shares.size() % rounds == round) {
            share_out({.group = name, .offsets = list_offsets(group)}, *view, shares);
        }
    }
    return shares;
}

void ConsumerGroupsImpl::tell_offsets(std::uint32_t round,
                                      std::uint32_t rounds,
                                      const DeliveryTable& table) {
    auto shares = offsets_by_shard(round, rounds);
    for (ShardId to{0}; to.value < table.shards.size(); ++to) {
        auto& share = shares[to.value];
        // Once more when nothing is left, and then no more: an idle shard is not woken.
        const bool was_told = told_.erase({round, to}) > 0;
        if (share.empty() && !was_told) {
            continue;
        }
        if (!share.empty()) {
            told_.emplace(round, to);
        }
        shard_.runtime().post_to(
            to,
            [home = shard_.id(),
             round,
             delivery = table.shards[to.value],
             share = std::move(share)] { delivery->group_lag().take(home, round, share); });
    }
}

void ConsumerGroupsImpl::propose(OffsetCommit request,
                                 bool is_whole,
                                 std::function<void(Result<void>)> done) {
    const auto group = find_or_make(request.group);
    if (!group) {
        done(group.error());
        return;
    }
    ++group.value()->commits;
    auto command = format_command(
        OffsetCommand{.group = request.group, .offsets = std::move(request.offsets)});
    shard_.propose(std::move(command),
                   [this, is_whole, name = std::move(request.group), done = std::move(done)](
                       const Result<void>& applied) {
                       if (const auto found = groups_.find(name); found != groups_.end()) {
                           --found->second.commits;
                           drop_if_empty(found);
                       }
                       done(applied && !is_whole ? Result<void>(not_all_kept()) : applied);
                   });
}

}  // namespace millrace::broker::delivery
