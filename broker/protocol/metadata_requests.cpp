#include <algorithm>
#include <fstream>

#include <unistd.h>

#include "broker/catalog/catalog_service.hpp"
#include "broker/protocol/session.hpp"
#include "broker/protocol/topic_messages.hpp"
#include "client/wire/schema/session_generated.h"

namespace millrace::broker::protocol {
namespace {

using BoundsOfPartition = std::unordered_map<std::uint32_t, storage::PartitionBounds>;

BoundsOfPartition bounds_on(const ShardServices& services,
                            const std::vector<std::string>& patterns) {
    BoundsOfPartition found;
    const auto add = [&](const PartitionInfo& partition) {
        if (const auto limits = services.shard->bounds(partition.id)) {
            found[partition.id.value] = *limits;
        }
    };
    for (const auto& topic : services.shard->catalog().view()->matching(patterns)) {
        std::ranges::for_each(topic->partitions, add);
    }
    return found;
}

wire::MetadataAnswerT make_answer(const CatalogView& view,
                                  const std::vector<std::string>& patterns) {
    wire::MetadataAnswerT answer;
    answer.catalog_version = view.version;
    for (const auto& topic : view.matching(patterns)) {
        answer.topics.push_back(to_wire(*topic));
    }
    return answer;
}

void add_bounds(wire::MetadataAnswerT& answer, const std::vector<BoundsOfPartition>& shards) {
    const auto add = [&shards](const std::unique_ptr<wire::PartitionT>& partition) {
        const auto& known = shards[partition->shard];
        if (const auto found = known.find(partition->partition_id); found != known.end()) {
            partition->first_offset = found->second.first.value;
            partition->next_offset = found->second.next.value;
            partition->live_bytes = found->second.live_bytes;
        }
    };
    for (const auto& topic : answer.topics) {
        std::ranges::for_each(topic->partitions, add);
    }
}

wire::ShardStatusT shard_status(const ShardServices& services) {
    const auto& shard = *services.shard;
    const auto stats = services.shard->store().stats();
    wire::ShardStatusT status;
    status.shard = shard.id().value;
    for (const auto& [id, ref] : services.shard->catalog().view()->partitions) {
        status.partitions += ref.info().shard == shard.id() ? 1U : 0U;
    }
    status.connections = services.sessions->connections;
    status.records_out = services.sessions->records_out.value();
    status.log_bytes = stats.log_bytes;
    status.live_bytes = stats.live_bytes;
    status.segments = stats.segments;
    status.segments_free = stats.segments_free;
    status.commits = stats.commits;
    status.records_in = shard.records_in();
    status.disk_free_bytes = stats.disk_free_bytes;
    status.torn_tails_cut = stats.torn_tails_cut;
    status.frames_quarantined = stats.frames_quarantined;
    status.out_of_space = stats.out_of_space;
    if (const auto failure = shard.failure()) {
        status.failed = true;
        status.failure = failure->text;
    }
    return status;
}

std::uint64_t resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t total = 0;
    std::uint64_t resident = 0;
    statm >> total >> resident;
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

void handle_hello(const Request& request) {
    const auto hello = wire::parse_message<wire::HelloRequest>(request.table);
    if (!hello) {
        request.refuse(hello.error());
        return;
    }
    const auto& session = request.session;
    if (hello.value().protocol_version_min > wire::protocol_version ||
        hello.value().protocol_version_max < wire::protocol_version) {
        request.refuse(
            fail(Errc::unsupported_version,
                 "this broker speaks protocol version " + std::to_string(wire::protocol_version)));
        return;
    }
    wire::HelloAnswerT answer;
    if (const auto& natives = session->table().cluster.natives) {
        answer.nodes = natives();
    }
    const auto& refusal = session->table().refusal;
    const auto refused = refusal ? refusal() : std::nullopt;
    if (refused && !hello.value().any_node) {
        answer.error = to_wire(*refused);
        request.answer(answer);
        return;
    }
    if (refused) {
        session->greet_guest(hello.value().client_name);
    } else {
        session->greet(hello.value().client_name);
    }
    const auto& shard = *session->services().shard;
    answer.protocol_version = wire::protocol_version;
    answer.broker_version = session->table().version;
    answer.cluster_id = session->services().shard->catalog().view()->cluster_id;
    answer.node_id = shard.options().node.value;
    answer.shard_count = session->table().shard_count();
    answer.frame_bytes_max = static_cast<std::uint32_t>(session->limits().frame_bytes_max);
    answer.record_batch_bytes_max =
        static_cast<std::uint32_t>(shard.options().record_batch_bytes_max);
    answer.publishes_outstanding_max = session->limits().requests_outstanding_max;
    answer.producer_id = static_cast<std::int64_t>(session->table().next_id());
    request.answer(answer);
}

void handle_metadata(const Request& request) {
    auto parsed = wire::parse_message<wire::MetadataRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto& session = request.session;
    const auto patterns = parsed.value().topics;
    auto answer = std::make_shared<wire::MetadataAnswerT>(
        make_answer(*session->services().shard->catalog().view(), patterns));
    if (!parsed.value().with_offsets) {
        request.answer(*answer);
        return;
    }
    gather(
        session->table(),
        session->shard_id(),
        [patterns](const ShardServices& services) { return bounds_on(services, patterns); },
        [session, header = request.header, answer](const std::vector<BoundsOfPartition>& shards) {
            add_bounds(*answer, shards);
            session->answer(header, *answer);
        });
}

void handle_status(const Request& request) {
    const auto& session = request.session;
    gather(session->table(),
           session->shard_id(),
           shard_status,
           [session, header = request.header](std::vector<wire::ShardStatusT> shards) {
               const auto& services = session->services();
               const auto view = services.shard->catalog().view();
               wire::StatusAnswerT answer;
               answer.version = session->table().version;
               answer.cluster_id = view->cluster_id;
               answer.node_id = services.shard->options().node.value;
               const auto now_us =
                   services.shard->runtime().clock().steady_now().time_since_epoch().count();
               answer.uptime_ms =
                   (static_cast<std::uint64_t>(now_us) - session->table().started_steady_us) / 1000;
               answer.resident_bytes = resident_bytes();
               answer.topics = static_cast<std::uint32_t>(view->topics.size());
               answer.partitions = static_cast<std::uint32_t>(view->partitions.size());
               answer.subscriptions = static_cast<std::uint32_t>(view->subscriptions.size());
               for (auto& shard : shards) {
                   answer.shards.push_back(std::make_unique<wire::ShardStatusT>(std::move(shard)));
               }
               session->answer(header, answer);
           });
}

}  // namespace millrace::broker::protocol
