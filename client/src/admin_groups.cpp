#include "client/src/admin_impl.hpp"
#include "client/src/offsets.hpp"
#include "client/wire/schema/groups_generated.h"
#include "millrace/admin.hpp"

namespace millrace {
namespace {

using wire::Api;

GroupMember from_wire(const wire::GroupMemberT& member, const client::PartitionNames& names) {
    GroupMember made{.member_id = member.member_id,
                     .client_name = member.client_name,
                     .peer = member.peer,
                     .partitions = {}};
    for (const auto id : member.partition_ids) {
        if (const auto found = names.find(id); found != names.end()) {
            made.partitions.emplace_back(found->second.topic, found->second.index);
        }
    }
    return made;
}

GroupDescription from_wire(const wire::GroupT& group, const client::PartitionNames& names) {
    GroupDescription made{
        .name = group.name, .generation = group.generation, .members = {}, .offsets = {}};
    made.members.reserve(group.members.size());
    for (const auto& member : group.members) {
        made.members.push_back(from_wire(*member, names));
    }
    for (const auto& offset : group.offsets) {
        if (const auto found = names.find(offset.partition_id()); found != names.end()) {
            made.offsets.push_back({.topic = found->second.topic,
                                    .partition = found->second.index,
                                    .offset = offset.offset()});
        }
    }
    return made;
}

}  // namespace

std::vector<GroupDescription> Admin::list_groups() {
    const auto answer =
        impl_->core->call_again<wire::GroupListAnswer>(Api::group_list, wire::GroupListRequestT{});
    const auto names = impl_->partition_names();
    std::vector<GroupDescription> groups;
    for (const auto& group : answer.groups) {
        groups.push_back(from_wire(*group, names));
    }
    return groups;
}

GroupDescription Admin::describe_group(const std::string& group) {
    wire::GroupDescribeRequestT request;
    request.group = group;
    const auto answer =
        impl_->core->call_again<wire::GroupDescribeAnswer>(Api::group_describe, request);
    auto made = from_wire(client::require(answer.group, "group"), impl_->partition_names());
    wire::MetadataRequestT with_offsets;
    with_offsets.with_offsets = true;
    std::map<std::pair<std::string, std::uint32_t>, std::uint64_t> ends;
    for (const auto& topic : impl_->core->topics({}, std::move(with_offsets))) {
        for (const auto& partition : topic.partitions) {
            ends[{topic.name, partition.index}] = partition.next_offset;
        }
    }
    for (auto& offset : made.offsets) {
        offset.next_offset = ends[{offset.topic, offset.partition}];
    }
    return made;
}

std::vector<CommittedOffset> Admin::seek_group(const std::string& group,
                                               const std::vector<std::string>& topics,
                                               StartPosition to) {
    std::vector<std::uint32_t> ids;
    std::unordered_map<std::uint32_t, CommittedOffset> places;
    for (const auto& topic : impl_->core->topics(topics)) {
        for (const auto& partition : topic.partitions) {
            ids.push_back(partition.partition_id);
            places[partition.partition_id] = {.topic = topic.name, .partition = partition.index};
        }
    }
    wire::OffsetCommitRequestT commit;
    commit.group = group;
    std::vector<CommittedOffset> result;
    for (const auto& [id, offset] : client::offsets_at(*impl_->core, ids, to)) {
        commit.offsets.emplace_back(offset, id);
        auto& place = places[id];
        place.offset = offset;
        result.push_back(place);
    }
    (void)impl_->core->call_again<wire::Done>(Api::offset_commit, commit);
    return result;
}

}  // namespace millrace
