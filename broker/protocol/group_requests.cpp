#include <algorithm>
#include <iterator>

#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/groups/consumer_groups.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/schema/groups_generated.h"

namespace millrace::broker::protocol {
namespace {

using delivery::ConsumerGroups;

template <class Table>
std::optional<typename Table::NativeTableType> parse(const Request& request) {
    auto parsed = wire::parse_message<Table>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return std::nullopt;
    }
    return std::move(parsed).value();
}

/// Runs `work` where the group lives and answers with what `answer` makes of it.
template <class Work, class Answer>
void at_home(const Request& request, const std::string& group, Work work, Answer answer) {
    const auto& session = request.session;
    const auto home = delivery::home_of_group(group, session->table().shard_count());
    call_on(
        session->table(),
        session->shard_id(),
        home,
        [work = std::move(work)](const ShardServices& services) {
            return work(services.delivery->groups());
        },
        [session, header = request.header, answer = std::move(answer)](auto result) {
            answer(*session, header, std::move(result));
        });
}

void answer_done(Session& session, const wire::FrameHeader& header, const Result<void>& result) {
    if (!result) {
        session.refuse(header, result.error());
    } else {
        session.answer(header, wire::DoneT{});
    }
}

std::unique_ptr<wire::GroupT> group_to_wire(const delivery::GroupStatus& group) {
    auto made = std::make_unique<wire::GroupT>();
    made->name = group.name;
    made->generation = group.generation;
    for (const auto& member : group.members) {
        auto one = std::make_unique<wire::GroupMemberT>();
        one->member_id = member.member_id;
        one->client_name = member.client_name;
        one->peer = member.peer;
        for (const auto partition : member.partitions) {
            one->partition_ids.push_back(partition.value);
        }
        made->members.push_back(std::move(one));
    }
    for (const auto& offset : group.offsets) {
        made->offsets.emplace_back(offset.offset.value, offset.partition.value);
    }
    return made;
}

void join(const Request& request) {
    const auto parsed = parse<wire::GroupJoinRequest>(request);
    if (!parsed) {
        return;
    }
    const delivery::JoinRequest join_request{
        .group = parsed->group,
        .member_id = parsed->member_id,
        .client_name = parsed->client_name,
        .peer = request.session->peer(),
        .topics = parsed->topics,
        .session_timeout = std::chrono::milliseconds(parsed->session_timeout_ms)};
    at_home(
        request,
        parsed->group,
        [join_request](ConsumerGroups& groups) {
            return std::make_shared<Result<delivery::JoinAnswer>>(groups.join(join_request));
        },
        [](Session& session,
           const wire::FrameHeader& header,
           const std::shared_ptr<Result<delivery::JoinAnswer>>& result) {
            if (!*result) {
                session.refuse(header, result->error());
                return;
            }
            const auto& joined = result->value();
            wire::GroupJoinAnswerT answer;
            answer.member_id = joined.member_id;
            answer.generation = joined.generation;
            for (const auto partition : joined.partitions) {
                answer.partition_ids.push_back(partition.value);
            }
            for (const auto& offset : joined.committed) {
                answer.committed.emplace_back(offset.offset.value, offset.partition.value);
            }
            session.answer(header, answer);
        });
}

void heartbeat(const Request& request) {
    if (const auto parsed = parse<wire::GroupHeartbeatRequest>(request)) {
        at_home(
            request,
            parsed->group,
            [message = *parsed](ConsumerGroups& groups) {
                return std::make_shared<Result<void>>(
                    groups.heartbeat(message.group, message.member_id, message.generation));
            },
            [](Session& session,
               const wire::FrameHeader& header,
               const std::shared_ptr<Result<void>>& result) {
                answer_done(session, header, *result);
            });
    }
}

void leave(const Request& request) {
    if (const auto parsed = parse<wire::GroupLeaveRequest>(request)) {
        at_home(
            request,
            parsed->group,
            [message = *parsed](ConsumerGroups& groups) {
                groups.leave(message.group, message.member_id);
                return true;
            },
            [](Session& session, const wire::FrameHeader& header, bool) {
                session.answer(header, wire::DoneT{});
            });
    }
}

void commit(const Request& request) {
    const auto parsed = parse<wire::OffsetCommitRequest>(request);
    if (!parsed) {
        return;
    }
    delivery::OffsetCommit message{.group = parsed->group,
                                   .member_id = parsed->member_id,
                                   .generation = parsed->generation,
                                   .offsets = {}};
    for (const auto& offset : parsed->offsets) {
        message.offsets.push_back(
            {.partition = PartitionId{offset.partition_id()}, .offset = Offset{offset.offset()}});
    }
    const auto& session = request.session;
    start_on<Result<void>>(
        session->table(),
        session->shard_id(),
        delivery::home_of_group(parsed->group, session->table().shard_count()),
        [message](const ShardServices& services, const auto& done) {
            services.delivery->groups().commit(message, done);
        },
        [session, header = request.header](const Result<void>& committed) {
            answer_done(*session, header, committed);
        });
}

void fetch_offsets(const Request& request) {
    const auto parsed = parse<wire::OffsetFetchRequest>(request);
    if (!parsed) {
        return;
    }
    at_home(
        request,
        parsed->group,
        [group = parsed->group](ConsumerGroups& groups) {
            return std::make_shared<Result<std::vector<delivery::CommittedOffset>>>(
                groups.offsets(group));
        },
        [](Session& session, const wire::FrameHeader& header, const auto& result) {
            if (!*result) {
                session.refuse(header, result->error());
                return;
            }
            wire::OffsetFetchAnswerT answer;
            for (const auto& offset : result->value()) {
                answer.offsets.emplace_back(offset.offset.value, offset.partition.value);
            }
            session.answer(header, answer);
        });
}

void list(const Request& request) {
    if (!parse<wire::GroupListRequest>(request)) {
        return;
    }
    gather(
        request.session->table(),
        request.session->shard_id(),
        [](const ShardServices& services) { return services.delivery->groups().list(); },
        [session = request.session,
         header = request.header](const std::vector<std::vector<delivery::GroupStatus>>& shards) {
            wire::GroupListAnswerT answer;
            for (const auto& groups : shards) {
                std::ranges::transform(groups, std::back_inserter(answer.groups), group_to_wire);
            }
            session->answer(header, answer);
        });
}

void describe(const Request& request) {
    const auto parsed = parse<wire::GroupDescribeRequest>(request);
    if (!parsed) {
        return;
    }
    at_home(
        request,
        parsed->group,
        [group = parsed->group](ConsumerGroups& groups) {
            return std::make_shared<Result<delivery::GroupStatus>>(groups.describe(group));
        },
        [](Session& session, const wire::FrameHeader& header, const auto& result) {
            if (!*result) {
                session.refuse(header, result->error());
                return;
            }
            wire::GroupDescribeAnswerT answer;
            answer.group = group_to_wire(result->value());
            session.answer(header, answer);
        });
}

}  // namespace

void handle_group(const Request& request) {
    switch (static_cast<wire::Api>(request.header.api)) {
        case wire::Api::group_join:
            return join(request);
        case wire::Api::group_heartbeat:
            return heartbeat(request);
        case wire::Api::group_leave:
            return leave(request);
        case wire::Api::offset_commit:
            return commit(request);
        case wire::Api::offset_fetch:
            return fetch_offsets(request);
        case wire::Api::group_list:
            return list(request);
        default:
            return describe(request);
    }
}

}  // namespace millrace::broker::protocol
