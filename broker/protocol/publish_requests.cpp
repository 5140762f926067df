#include <algorithm>
#include <map>

#include "broker/catalog/catalog_service.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/schema/records_generated.h"

namespace millrace::broker::protocol {
namespace {

struct Piece {
    PartitionId partition;
    std::span<const std::byte> batch;
};

Result<std::vector<Piece>> split(const wire::PublishRequest& request,
                                 std::span<const std::byte> raw) {
    if (request.entries() == nullptr || request.entries()->size() == 0) {
        return fail(Errc::invalid_argument, "a publish without batches");
    }
    std::vector<Piece> pieces;
    pieces.reserve(request.entries()->size());
    for (const auto* const entry : *request.entries()) {
        if (entry->batch_bytes() > raw.size()) {
            return fail(Errc::malformed, "publish: the batches are longer than the frame");
        }
        pieces.push_back({.partition = PartitionId{entry->partition_id()},
                          .batch = raw.first(entry->batch_bytes())});
        raw = raw.subspan(entry->batch_bytes());
    }
    return pieces;
}

/// Empty where each stands for a majority.
std::vector<wire::Durability> durabilities_of(const std::vector<PublishOutcome>& outcomes) {
    std::vector<wire::Durability> named;
    const auto is_less = [](const auto& outcome) {
        return outcome.durability != Durability::majority;
    };
    if (std::ranges::none_of(outcomes, is_less)) {
        return named;
    }
    named.reserve(outcomes.size());
    for (const auto& outcome : outcomes) {
        named.push_back(static_cast<wire::Durability>(outcome.durability));
    }
    return named;
}

/// Answers when all shards have.
struct PublishJoin {
    std::shared_ptr<Session> session;
    wire::FrameHeader header;
    std::vector<PublishOutcome> outcomes;
    std::string text;
    std::size_t shards_left = 0;
    std::size_t bytes = 0;
    std::uint32_t credit = 0;

    void add(const std::vector<std::size_t>& places,
             const std::vector<PublishOutcome>& part,
             const std::string& part_text) {
        for (std::size_t i = 0; i < places.size(); ++i) {
            outcomes[places[i]] = part[i];
            credit = std::min(credit, part[i].credit);
        }
        text = text.empty() ? part_text : text;
        if (--shards_left == 0) {
            answer();
        }
    }
    void answer() const {
        session->end_publish(bytes);
        flatbuffers::FlatBufferBuilder builder(outcomes.size() * sizeof(wire::PublishAck) + 128);
        std::vector<wire::PublishAck> acks;
        acks.reserve(outcomes.size());
        std::vector<wire::PublishRepeat> repeats;
        for (const auto& outcome : outcomes) {
            for (const auto& repeat : outcome.repeats) {
                repeats.emplace_back(repeat.offset.value,
                                     repeat.append_time_us,
                                     static_cast<std::uint32_t>(acks.size()),
                                     repeat.number);
            }
            acks.emplace_back(outcome.base_offset.value,
                              outcome.append_time_us,
                              outcome.partition.value,
                              static_cast<std::uint16_t>(outcome.code),
                              outcome.duplicate);
        }
        const auto stored_text = text.empty() ? 0 : builder.CreateString(text);
        const auto stored_acks = builder.CreateVectorOfStructs(acks);
        const auto stored_repeats = repeats.empty() ? 0 : builder.CreateVectorOfStructs(repeats);
        const auto durabilities = durabilities_of(outcomes);
        const auto stored_durabilities =
            durabilities.empty() ? 0 : builder.CreateVector(durabilities);
        wire::PublishAnswerBuilder table(builder);
        table.add_acks(stored_acks);
        table.add_text(stored_text);
        table.add_repeats(stored_repeats);
        table.add_credit(std::max(credit, 1U));
        table.add_durabilities(stored_durabilities);
        builder.Finish(table.Finish());
        session->answer_frame(wire::format_frame(
            Session::answer_header(header),
            std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize()))));
    }
};

using ShardParts = std::map<ShardId, std::vector<std::size_t>>;

ShardParts parts_by_shard(const CatalogView& view, ShardId here, const std::vector<Piece>& pieces) {
    ShardParts parts;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        // An unknown partition is refused by whoever is asked.
        const auto* const ref = view.find(pieces[i].partition);
        parts[ref == nullptr ? here : ref->info().shard].push_back(i);
    }
    return parts;
}

void publish_here(const std::shared_ptr<PublishJoin>& join,
                  const std::vector<Piece>& pieces,
                  const std::vector<std::size_t>& places) {
    std::vector<PublishBatch> batches;
    batches.reserve(places.size());
    for (const auto place : places) {
        batches.push_back({.partition = pieces[place].partition, .batch = pieces[place].batch});
    }
    join->session->services().shard->publish(
        batches,
        [join, places](const std::vector<PublishOutcome>& outcomes, const std::string& text) {
            join->add(places, outcomes, text);
        });
}

/// One copy per request and foreign shard: the receive buffer goes back when the handler returns.
void publish_there(const std::shared_ptr<PublishJoin>& join,
                   ShardId there,
                   const std::vector<Piece>& pieces,
                   const std::vector<std::size_t>& places) {
    auto copy = std::make_shared<std::vector<std::byte>>();
    std::vector<std::pair<PartitionId, std::size_t>> sizes;
    for (const auto place : places) {
        copy->insert(copy->end(), pieces[place].batch.begin(), pieces[place].batch.end());
        sizes.emplace_back(pieces[place].partition, pieces[place].batch.size());
    }
    struct Published {
        std::vector<PublishOutcome> outcomes;
        std::string text;
    };
    start_on<Published>(
        join->session->table(),
        join->session->shard_id(),
        there,
        [copy, sizes](const ShardServices& services, const auto& done) {
            std::vector<PublishBatch> batches;
            batches.reserve(sizes.size());
            std::span<const std::byte> rest(*copy);
            for (const auto& [partition, bytes] : sizes) {
                batches.push_back({.partition = partition, .batch = rest.first(bytes)});
                rest = rest.subspan(bytes);
            }
            services.shard->publish(
                batches, [done](std::vector<PublishOutcome> outcomes, std::string text) {
                    done(Published{.outcomes = std::move(outcomes), .text = std::move(text)});
                });
        },
        [join, places](const Published& published) {
            join->add(places, published.outcomes, published.text);
        });
}

}  // namespace

void handle_publish(const Request& request) {
    const auto table = wire::verify_table<wire::PublishRequest>(request.table);
    if (!table) {
        request.refuse(table.error());
        return;
    }
    const auto pieces = split(*table.value(), request.raw);
    if (!pieces) {
        request.refuse(pieces.error());
        return;
    }
    const auto here = request.session->shard_id();
    const auto view = request.session->services().shard->catalog().view();
    const auto parts = parts_by_shard(*view, here, pieces.value());
    auto join = std::make_shared<PublishJoin>();
    join->session = request.session;
    join->header = request.header;
    join->credit = request.session->limits().requests_outstanding_max;
    join->bytes = request.raw.size();
    request.session->begin_publish(join->bytes);
    join->outcomes.resize(pieces.value().size());
    join->shards_left = parts.size();
    for (const auto& [shard, places] : parts) {
        if (shard == here) {
            publish_here(join, pieces.value(), places);
        } else {
            publish_there(join, shard, pieces.value(), places);
        }
    }
}

}  // namespace millrace::broker::protocol
