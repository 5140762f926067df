#include "broker/delivery/consumer_groups.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "broker/catalog/catalog_service.hpp"
#include "broker/delivery/consumer_groups_impl.hpp"
#include "client/wire/partitioner.hpp"
#include "storage/base/logging.hpp"

namespace millrace::broker::delivery {
namespace {

constexpr std::string_view key_prefix = "o/";
constexpr std::size_t groups_max = 10'000;
constexpr std::size_t members_per_group_max = 1'000;
constexpr std::size_t group_name_bytes_max = 249;
constexpr std::size_t offsets_per_commit_max = 100'000;  ///< fits into an entry of the log
constexpr Duration look_interval{500'000};

Error unknown_group(const std::string& group) {
    return fail(Errc::unknown_group, "consumer group \"" + group + "\" does not exist");
}

Result<void> check_name(const std::string& group) {
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

Result<void> check_commit(const OffsetCommit& request) {
    MILLRACE_TRY(check_name(request.group));
    if (request.offsets.size() > offsets_per_commit_max) {
        return fail(Errc::invalid_argument,
                    "a commit of " + std::to_string(request.offsets.size()) +
                        " offsets, limit offsets_per_commit_max is " +
                        std::to_string(offsets_per_commit_max));
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
        group.offsets[offset.partition] = offset.offset;
    }
    auto json = nlohmann::json::array();
    for (const auto& [partition, offset] : group.offsets) {
        json.push_back({partition.value, offset.value});
    }
    std::string row;
    nlohmann::json::to_cbor(json, row);
    shard_.store().put_state(std::string(key_prefix) + command.group, row);
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
    for (auto& [name, group] : groups_) {
        std::erase_if(group.offsets, [this](const auto& entry) {
            return !known_partitions_.contains(entry.first);
        });
        if (!group.members.empty()) {
            rebalance(group);
        }
    }
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
    MILLRACE_TRY(check_name(request.group));
    if (groups_.size() >= groups_max && !groups_.contains(request.group)) {
        return fail(Errc::limit_reached,
                    "limit groups_max of " + std::to_string(groups_max) + " is reached");
    }
    auto& group = groups_[request.group];
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
    JoinAnswer answer{.member_id = id,
                      .generation = group.generation,
                      .partitions = member.partitions,
                      .committed = {}};
    for (const auto partition : member.partitions) {
        if (const auto found = group.offsets.find(partition); found != group.offsets.end()) {
            answer.committed.push_back({.partition = partition, .offset = found->second});
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
    shard_.runtime().run_after(look_interval, [this] { drop_silent(); });
}

void ConsumerGroupsImpl::commit(OffsetCommit request, std::function<void(Result<void>)> done) {
    if (const auto fits = check_commit(request); !fits) {
        done(fits);
        return;
    }
    const auto group = groups_.find(request.group);
    const bool has_members = group != groups_.end() && !group->second.members.empty();
    if (request.member_id.empty() && has_members) {
        done(fail(Errc::conflict,
                  "consumer group \"" + request.group + "\" has members: stop them before a seek"));
        return;
    }
    if (!request.member_id.empty() &&
        (!has_members || group->second.generation != request.generation ||
         !group->second.members.contains(request.member_id))) {
        done(fail(Errc::rebalancing, "the group has a new generation: join again"));
        return;
    }
    shard_.propose(format_command(OffsetCommand{.group = std::move(request.group),
                                                .offsets = std::move(request.offsets)}),
                   std::move(done));
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
