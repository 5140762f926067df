#include "broker/delivery/groups/consumer_groups.hpp"

#include <algorithm>
#include <tuple>

#include <nlohmann/json.hpp>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/groups/consumer_groups_impl.hpp"
#include "client/wire/partitioner.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::string_view key_prefix = "o/";
constexpr Duration look_interval{500'000};

Error unknown_group(const std::string& group) {
    return fail(Errc::unknown_group, "consumer group \"" + group + "\" does not exist");
}

Result<void> check_timeout(std::chrono::milliseconds timeout) {
    constexpr auto min = ConsumerGroups::session_timeout_min;
    constexpr auto max = ConsumerGroups::session_timeout_max;
    if (timeout < min || timeout > max) {
        return fail(Errc::invalid_argument,
                    "a session timeout of " + std::to_string(timeout.count()) +
                        " ms, session_timeout_min is " + std::to_string(min.count()) +
                        " ms, session_timeout_max " + std::to_string(max.count()) + " ms");
    }
    return ok();
}

/// Throws: nlohmann::json::exception.
std::map<PartitionId, Offset> parse_offsets(std::string_view row) {
    std::map<PartitionId, Offset> offsets;
    for (const auto& pair : nlohmann::json::from_cbor(row)) {
        offsets[PartitionId{pair.at(0).get<std::uint32_t>()}] =
            Offset{pair.at(1).get<std::uint64_t>()};
    }
    return offsets;
}

}  // namespace

ShardId home_of_group(const std::string& group, std::uint32_t shard_count) {
    return ShardId{static_cast<std::uint32_t>(wire::stable_hash(group) % shard_count)};
}

ConsumerGroupsImpl::ConsumerGroupsImpl(Shard& shard) : shard_(shard) {}

void ConsumerGroupsImpl::start() {
    shard_.on_catalog([this](const CatalogPtr&) { on_catalog(); });
    on_catalog();
    drop_silent();
}

void ConsumerGroupsImpl::restore(storage::ShardStore& store) {
    groups_.clear();
    const auto visited =
        store.visit_state(key_prefix, "", [this](std::string_view key, std::string_view value) {
            const std::string name(key.substr(key_prefix.size()));
            try {
                groups_[name].offsets = parse_offsets(value);
            } catch (const nlohmann::json::exception& fault) {
                log_error("delivery",
                          "offsets of consumer group \"" + name +
                              "\" are not readable, it begins anew: " + fault.what());
            }
            return true;
        });
    if (!visited) {
        log_error("delivery",
                  "offsets of consumer groups could not be read: " + visited.error().text);
    }
}

void ConsumerGroupsImpl::apply(const OffsetCommand& command) {
    auto& group = groups_[command.group];
    for (const auto& offset : command.offsets) {
        // Its topic may have been deleted while the command was under way.
        if (known_partitions_.empty() || known_partitions_.contains(offset.partition)) {
            group.offsets[offset.partition] = offset.offset;
        }
    }
    put_offsets(command.group, group);
    drop_if_empty(groups_.find(command.group));
}

void ConsumerGroupsImpl::put_offsets(const std::string& name, const Group& group) {
    const auto key = std::string(key_prefix) + name;
    if (group.offsets.empty()) {
        shard_.store().erase_state(key);
        return;
    }
    auto json = nlohmann::json::array();
    for (const auto& [partition, offset] : group.offsets) {
        json.push_back({partition.value, offset.value});
    }
    std::string row;
    nlohmann::json::to_cbor(json, row);
    shard_.store().put_state(key, row);
}

Result<ConsumerGroupsImpl::Group*> ConsumerGroupsImpl::find_or_make(const std::string& name) {
    if (groups_.size() >= groups_max && !groups_.contains(name)) {
        return fail(Errc::limit_reached,
                    "limit groups_max of " + std::to_string(groups_max) + " is reached");
    }
    return &groups_[name];
}

void ConsumerGroupsImpl::drop_if_empty(Groups::iterator group) {
    const auto& [members, offsets, commits] =
        std::tie(group->second.members, group->second.offsets, group->second.commits);
    if (members.empty() && offsets.empty() && commits == 0) {
        groups_.erase(group);
    }
}

void ConsumerGroupsImpl::drop_empty() {
    for (auto at = groups_.begin(); at != groups_.end();) {
        drop_if_empty(at++);
    }
}

void ConsumerGroupsImpl::on_catalog() {
    std::set<PartitionId> partitions;
    for (const auto& [id, ref] : shard_.catalog().view()->partitions) {
        partitions.insert(id);
    }
    if (partitions == known_partitions_) {
        return;
    }
    known_partitions_ = std::move(partitions);
    const auto is_gone = [this](const auto& entry) {
        return !known_partitions_.contains(entry.first);
    };
    for (auto& [name, group] : groups_) {
        std::erase_if(group.holders, is_gone);
        if (std::erase_if(group.offsets, is_gone) > 0) {
            put_offsets(name, group);
        }
        if (!group.members.empty()) {
            rebalance(group);
        }
    }
    drop_empty();
}

std::vector<PartitionId> ConsumerGroupsImpl::wanted_by(const Member& member) const {
    std::vector<PartitionId> wanted;
    for (const auto& topic : shard_.catalog().view()->matching(member.request.topics)) {
        for (const auto& partition : topic->partitions) {
            wanted.push_back(partition.id);
        }
    }
    return wanted;
}

void ConsumerGroupsImpl::rebalance(Group& group) {
    ++group.generation;
    std::map<PartitionId, std::vector<Member*>> takers;
    for (auto& [id, member] : group.members) {
        for (const auto partition : wanted_by(member)) {
            takers[partition].push_back(&member);
        }
        member.partitions.clear();
    }
    // Each partition goes to the member with the fewest so far; members and partitions come in
    // order, so the outcome is always the same.
    for (const auto& [partition, members] : takers) {
        auto* const least = *std::ranges::min_element(
            members, {}, [](const Member* member) { return member->partitions.size(); });
        least->partitions.push_back(partition);
    }
}

Result<JoinAnswer> ConsumerGroupsImpl::join(const JoinRequest& request) {
    MILLRACE_TRY(check_group_name(request.group));
    MILLRACE_TRY(check_timeout(request.session_timeout));
    MILLRACE_TRY(auto* const found, find_or_make(request.group));
    auto& group = *found;
    auto id = request.member_id;
    const auto known = group.members.find(id);
    const bool is_new =
        known == group.members.end() || known->second.request.topics != request.topics;
    if (known == group.members.end()) {
        if (group.members.size() >= members_per_group_max) {
            return fail(Errc::limit_reached,
                        "limit members_per_group_max of " + std::to_string(members_per_group_max) +
                            " is reached");
        }
        id = request.client_name + "-" + std::to_string(shard_.runtime().clock().unix_now()) + "-" +
             std::to_string(++last_member_);
    }
    auto& member = group.members[id];
    member.request = request;
    member.request.member_id = id;
    member.deadline = shard_.runtime().clock().steady_now() + request.session_timeout;
    if (is_new) {
        rebalance(group);
    }
    member.joined_generation = group.generation;
    JoinAnswer answer{.member_id = id,
                      .generation = group.generation,
                      .partitions = member.partitions,
                      .committed = {}};
    for (const auto partition : member.partitions) {
        group.holders[partition] = id;
        if (const auto offset = group.offsets.find(partition); offset != group.offsets.end()) {
            answer.committed.push_back({.partition = partition, .offset = offset->second});
        }
    }
    return answer;
}

Result<void> ConsumerGroupsImpl::heartbeat(const std::string& name,
                                           const std::string& member_id,
                                           std::uint32_t generation) {
    const auto group = groups_.find(name);
    if (group == groups_.end() || !group->second.members.contains(member_id) ||
        group->second.generation != generation) {
        return fail(Errc::rebalancing, "the group has a new generation: commit and join again");
    }
    auto& member = group->second.members[member_id];
    member.deadline = shard_.runtime().clock().steady_now() + member.request.session_timeout;
    return ok();
}

void ConsumerGroupsImpl::leave(const std::string& name, const std::string& member_id) {
    const auto group = groups_.find(name);
    if (group != groups_.end() && group->second.members.erase(member_id) > 0) {
        rebalance(group->second);
        drop_if_empty(group);
    }
}

void ConsumerGroupsImpl::drop_silent() {
    const auto now = shard_.runtime().clock().steady_now();
    for (auto& [name, group] : groups_) {
        if (std::erase_if(group.members,
                          [now](const auto& entry) { return entry.second.deadline < now; }) > 0) {
            rebalance(group);
        }
    }
    drop_empty();
    shard_.runtime().run_after(look_interval, [this] { drop_silent(); });
}

std::vector<CommittedOffset> ConsumerGroupsImpl::list_offsets(const Group& group) {
    std::vector<CommittedOffset> offsets;
    for (const auto& [partition, offset] : group.offsets) {
        offsets.push_back({.partition = partition, .offset = offset});
    }
    return offsets;
}

GroupStatus ConsumerGroupsImpl::status_of(const std::string& name, const Group& group) {
    GroupStatus status{.name = name,
                       .generation = group.generation,
                       .members = {},
                       .offsets = list_offsets(group)};
    for (const auto& [id, member] : group.members) {
        status.members.push_back({.member_id = id,
                                  .client_name = member.request.client_name,
                                  .peer = member.request.peer,
                                  .partitions = member.partitions});
    }
    return status;
}

Result<std::vector<CommittedOffset>> ConsumerGroupsImpl::offsets(const std::string& name) const {
    const auto group = groups_.find(name);
    if (group == groups_.end()) {
        return unknown_group(name);
    }
    return list_offsets(group->second);
}

std::vector<GroupStatus> ConsumerGroupsImpl::list() const {
    std::vector<GroupStatus> all;
    for (const auto& [name, group] : groups_) {
        all.push_back(status_of(name, group));
    }
    return all;
}

Result<GroupStatus> ConsumerGroupsImpl::describe(const std::string& name) const {
    const auto group = groups_.find(name);
    if (group == groups_.end()) {
        return unknown_group(name);
    }
    return status_of(name, group->second);
}

}  // namespace millrace::broker::delivery
