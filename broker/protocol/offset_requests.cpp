#include <algorithm>
#include <array>
#include <iterator>
#include <unordered_set>

#include "broker/catalog/catalog_service.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/schema/records_generated.h"

namespace millrace::broker::protocol {
namespace {

using Offsets = std::vector<wire::PartitionOffset>;

Offsets offsets_on(const ShardServices& services, const wire::ListOffsetsRequestT& request) {
    Offsets found;
    for (const auto id : request.partition_ids) {
        const auto limits = services.shard->bounds(PartitionId{id});
        if (!limits) {
            continue;  // another shard's, or nobody's
        }
        Result<Offset> offset =
            request.at == wire::OffsetAt::earliest ? limits->first : limits->next;
        if (request.at == wire::OffsetAt::time) {
            offset = services.shard->store().offset_at(PartitionId{id}, request.time_us);
        }
        const auto code = offset ? Errc::ok : offset.error().code;
        found.emplace_back(offset ? offset.value().value : 0, id, static_cast<std::uint16_t>(code));
    }
    return found;
}

/// Keeps the runs of some partitions that were appended in a window.
std::vector<std::byte> filter_runs(std::span<const std::byte> runs,
                                   const std::unordered_set<PartitionId>& partitions,
                                   const wire::ReplayReadRequestT& request) {
    std::vector<std::byte> kept;
    while (const auto header = load_batch_header(runs)) {
        const bool is_inside =
            header->append_time_us >= request.from_us && header->append_time_us < request.to_us;
        if (is_inside && partitions.contains(header->partition)) {
            const auto run = runs.first(header->run_bytes());
            kept.insert(kept.end(), run.begin(), run.end());
        }
        runs = runs.subspan(header->run_bytes());
    }
    return kept;
}

bool is_past(std::span<const std::byte> runs, UnixMicros to_us) {
    const auto header = load_batch_header(runs);
    return header && header->append_time_us >= to_us;
}

std::unordered_set<PartitionId> partitions_of(const CatalogView& view,
                                              const std::vector<std::string>& patterns) {
    std::unordered_set<PartitionId> ids;
    for (const auto& topic : view.matching(patterns)) {
        for (const auto& partition : topic->partitions) {
            ids.insert(partition.id);
        }
    }
    return ids;
}

struct ReplayPart {
    wire::ReplayReadAnswerT message;
    std::vector<std::byte> runs;
};
using ReplayDone = std::function<void(std::shared_ptr<ReplayPart>)>;

void read_on(const ShardServices& services,
             const wire::ReplayReadRequestT& request,
             const ReplayDone& done) {
    storage::ScanCursor cursor{.segment = SegmentSequence{request.cursor_segment.value_or(0)},
                               .position = Position{request.cursor_position}};
    if (!request.cursor_segment) {
        const auto start = services.shard->store().scan_start(request.from_us);
        if (!start) {
            auto part = std::make_shared<ReplayPart>();
            part->message.error = to_wire(start.error());
            done(std::move(part));
            return;
        }
        cursor = start.value();
    }
    services.shard->store().scan(
        cursor,
        request.bytes_max,
        [&services, request, done](const Result<storage::ScanResult>& scanned) {
            auto part = std::make_shared<ReplayPart>();
            auto& answer = *part;
            if (!scanned) {
                answer.message.error = to_wire(scanned.error());
            } else {
                const auto& result = scanned.value();
                answer.runs =
                    filter_runs(result.runs,
                                partitions_of(*services.shard->catalog().view(), request.topics),
                                request);
                answer.message.run_bytes = static_cast<std::uint32_t>(answer.runs.size());
                answer.message.cursor_segment = result.next.segment.value;
                answer.message.cursor_position = result.next.position.value;
                answer.message.at_end = result.at_end || is_past(result.runs, request.to_us);
            }
            done(std::move(part));
        });
}

std::uint32_t partition_of(const wire::PartitionOffset& offset) {
    return offset.partition_id();
}

/// What the shards found, with an error for each partition that none of them has.
wire::ListOffsetsAnswerT join_offsets(const std::vector<Offsets>& shards,
                                      const std::vector<std::uint32_t>& wanted) {
    wire::ListOffsetsAnswerT answer;
    std::unordered_set<std::uint32_t> known;
    for (const auto& part : shards) {
        std::ranges::copy(part, std::back_inserter(answer.offsets));
        std::ranges::transform(part, std::inserter(known, known.end()), partition_of);
    }
    for (const auto id : wanted) {
        if (!known.contains(id)) {
            answer.offsets.emplace_back(0, id, static_cast<std::uint16_t>(Errc::unknown_partition));
        }
    }
    return answer;
}

}  // namespace

void handle_list_offsets(const Request& request) {
    auto parsed = wire::parse_message<wire::ListOffsetsRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto wanted = std::make_shared<wire::ListOffsetsRequestT>(std::move(parsed).value());
    gather(
        request.session->table(),
        request.session->shard_id(),
        [wanted](const ShardServices& services) { return offsets_on(services, *wanted); },
        [session = request.session, header = request.header, wanted](
            const std::vector<Offsets>& shards) {
            session->answer(header, join_offsets(shards, wanted->partition_ids));
        });
}

void handle_replay_read(const Request& request) {
    auto parsed = wire::parse_message<wire::ReplayReadRequest>(request.table);
    const auto& session = request.session;
    if (!parsed || parsed.value().shard >= session->table().shard_count()) {
        request.refuse(parsed ? fail(Errc::invalid_argument,
                                     "there is no shard " + std::to_string(parsed.value().shard))
                              : parsed.error());
        return;
    }
    const auto wanted = std::make_shared<wire::ReplayReadRequestT>(std::move(parsed).value());
    start_on<std::shared_ptr<ReplayPart>>(
        session->table(),
        session->shard_id(),
        ShardId{wanted->shard},
        [wanted](const ShardServices& services, const auto& done) {
            read_on(services, *wanted, done);
        },
        [session, header = request.header](const std::shared_ptr<ReplayPart>& part) {
            const std::array<std::span<const std::byte>, 1> raw{part->runs};
            session->metrics().records_out.add(record_count_of(part->runs));
            session->answer(header, part->message, raw);
        });
}

}  // namespace millrace::broker::protocol
