#include "broker/gateways/http/records/read_start.hpp"

#include <algorithm>

#include "storage/base/text/time_headers.hpp"

namespace millrace::broker::http {
namespace {

Result<void> check_partition(const TopicInfo& topic, std::uint32_t index) {
    if (index >= topic.partitions.size()) {
        return fail(Errc::unknown_partition,
                    "topic \"" + topic.name + "\" has no partition " + std::to_string(index) +
                        ", only " + std::to_string(topic.partitions.size()));
    }
    return ok();
}

Result<void> take_from(ReadStart& start, std::string_view from) {
    if (from == "earliest" || from == "latest") {
        start.at = from == "latest" ? ReadStart::At::latest : ReadStart::At::earliest;
        return ok();
    }
    const auto moment = parse_moment(from);
    if (!moment) {
        return fail(Errc::invalid_argument,
                    "\"from\" takes earliest, latest, a moment such as 2026-11-20T06:00:00Z, or "
                    "milliseconds since 1970");
    }
    start.at = ReadStart::At::time;
    start.time_us = *moment;
    return ok();
}

Result<void> take_position(ReadStart& start, std::string_view text, const TopicInfo& topic) {
    start.at = ReadStart::At::position;
    MILLRACE_TRY(start.positions, parse_positions(text));
    for (const auto& [index, offset] : start.positions.offsets) {
        MILLRACE_TRY(check_partition(topic, index));
    }
    const bool is_alone = start.positions.offsets.size() == 1 && !start.positions.has_all;
    if (start.partition &&
        (!is_alone || start.positions.offsets.begin()->first != *start.partition)) {
        return fail(Errc::invalid_argument,
                    "the position is not one of \"partition\" " + std::to_string(*start.partition) +
                        " alone: leave the parameter out, or the position");
    }
    return ok();
}

using PartialOffsets = std::map<std::uint32_t, Offset>;

Result<PartialOffsets> offsets_on(const ShardLink& link,
                                  const TopicInfo& topic,
                                  const ReadStart& start) {
    PartialOffsets found;
    for (std::uint32_t index = 0; index < topic.partitions.size(); ++index) {
        const auto& partition = topic.partitions[index];
        const bool is_wanted = !start.partition || *start.partition == index;
        const auto limits = link.shard->bounds(partition.id);
        if (!is_wanted || partition.shard != link.shard->id() || !limits) {
            continue;
        }
        auto offset = start.at == ReadStart::At::latest ? limits->next : limits->first;
        if (start.at == ReadStart::At::time) {
            MILLRACE_TRY(offset, link.shard->store().offset_at(partition.id, start.time_us));
        }
        found[index] = offset;
    }
    return found;
}

}  // namespace

Result<ReadStart> parse_read_start(const Call& call, const TopicInfo& topic) {
    ReadStart start;
    const auto partition = call.target.param("partition");
    const auto offset = call.target.param("offset");
    const auto from = call.target.param("from");
    auto position = call.target.param("position");
    if (const auto last = call.request->header("last-event-id"); last && !last->empty()) {
        position = last;
    } else if (static_cast<int>(offset.has_value()) + static_cast<int>(from.has_value()) +
                   static_cast<int>(position.has_value()) >
               1) {
        return fail(Errc::invalid_argument, "one of \"offset\", \"from\" and \"position\"");
    }
    if (partition) {
        start.partition = static_cast<std::uint32_t>(integer_of(*partition));
        MILLRACE_TRY(check_partition(topic, *start.partition));
    }
    if (position) {
        MILLRACE_TRY(take_position(start, *position, topic));
    } else if (offset) {
        if (!partition) {
            return fail(Errc::invalid_argument, "an \"offset\" is one of a \"partition\"");
        }
        start.at = ReadStart::At::position;
        start.positions.offsets = {{*start.partition, Offset{integer_of(*offset)}}};
    } else if (from) {
        MILLRACE_TRY(take_from(start, *from));
    }
    return start;
}

void resolve(const ShardGate& gate,
             const std::shared_ptr<const TopicInfo>& topic,
             const ReadStart& start,
             std::function<void(Result<Positions>)> done) {
    if (start.at == ReadStart::At::position) {
        auto positions = start.positions;
        // Partitions that the topic got since are read from their beginning.
        for (std::uint32_t index = 0; positions.has_all && index < topic->partitions.size();
             ++index) {
            positions.offsets.emplace(index, Offset{0});
        }
        done(std::move(positions));
        return;
    }
    gate.gather<PartialOffsets>(
        [topic, start](const ShardLink& link) { return offsets_on(link, *topic, start); },
        [has_all = !start.partition,
         done = std::move(done)](Result<std::vector<PartialOffsets>> shards) {
            if (!shards) {
                done(shards.error());
                return;
            }
            Positions positions{.offsets = {}, .has_all = has_all};
            for (const auto& part : shards.value()) {
                positions.offsets.insert(part.begin(), part.end());
            }
            done(std::move(positions));
        });
}

}  // namespace millrace::broker::http
