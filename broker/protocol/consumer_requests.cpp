#include <algorithm>
#include <memory>

#include "broker/catalog/catalog_service.hpp"
#include "broker/catalog/replay_topic.hpp"
#include "broker/delivery/delivery_shard.hpp"
#include "broker/delivery/jobs/replay/origin.hpp"
#include "broker/delivery/subscriptions.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::broker::protocol {
namespace {

/// Carries deliveries of one shard to the connection of the consumer, wherever that lives.
class PushTarget final : public delivery::DeliveryTarget {
  public:
    PushTarget(std::uint64_t session_id, const std::shared_ptr<Session>& session, Shard& shard)
        : session_id_(session_id), session_(session), home_(session->shard_id()), shard_(shard) {}

    void on_deliveries(ShardId shard, std::span<const delivery::Delivery> deliveries) override {
        flatbuffers::FlatBufferBuilder builder(deliveries.size() * sizeof(wire::DeliveryEntry) +
                                               128);
        std::vector<wire::DeliveryEntry> entries;
        std::vector<std::span<const std::byte>> raw;
        entries.reserve(deliveries.size());
        raw.reserve(deliveries.size());
        for (const auto& one : deliveries) {
            entries.emplace_back(one.delivery_id,
                                 one.offset.value,
                                 one.append_time_us,
                                 one.partition.value,
                                 one.attempt,
                                 static_cast<std::uint32_t>(one.record.size()));
            raw.push_back(one.record);
        }
        const auto stored = builder.CreateVectorOfStructs(entries);
        const auto origins = store_origins(builder, deliveries);
        wire::DeliveriesBuilder table(builder);
        table.add_session_id(session_id_);
        table.add_shard(shard.value);
        table.add_entries(stored);
        table.add_origins(origins);
        builder.Finish(table.Finish());
        send(wire::format_frame(
                 {.api = static_cast<std::uint16_t>(wire::Api::deliveries),
                  .flags = wire::FrameHeader::flag_push},
                 std::as_bytes(std::span(builder.GetBufferPointer(), builder.GetSize())),
                 raw),
             deliveries.size());
    }
    void on_ended(ShardId shard, const Error& /*reason*/) override {
        // An empty push says that the session is over: open again, or learn why that can't be.
        wire::DeliveriesT message;
        message.session_id = session_id_;
        message.shard = shard.value;
        send(wire::format_message({.api = static_cast<std::uint16_t>(wire::Api::deliveries),
                                   .flags = wire::FrameHeader::flag_push},
                                  message),
             0);
    }

  private:
    using Origins = flatbuffers::Vector<flatbuffers::Offset<wire::DeliveryOrigin>>;

    /// Of what was replayed; nothing for everything else.
    [[nodiscard]] flatbuffers::Offset<Origins> store_origins(
        flatbuffers::FlatBufferBuilder& builder,
        std::span<const delivery::Delivery> deliveries) const {
        const auto view = shard_.catalog().view();
        std::vector<flatbuffers::Offset<wire::DeliveryOrigin>> origins;
        for (std::uint32_t i = 0; i < deliveries.size(); ++i) {
            const auto& one = deliveries[i];
            const auto* const ref = view->find(one.partition);
            if (ref == nullptr || !is_internal_topic(ref->topic->name)) {
                continue;
            }
            const auto origin = delivery::origin_of(*view, one.partition, one.offset, one.record);
            origins.push_back(wire::CreateDeliveryOrigin(builder,
                                                         i,
                                                         builder.CreateString(origin.topic),
                                                         origin.partition_index,
                                                         origin.offset.value));
        }
        return origins.empty() ? 0 : builder.CreateVector(origins);
    }

    void send(std::vector<std::byte> frame, std::size_t records) {
        auto shared = std::make_shared<std::vector<std::byte>>(std::move(frame));
        shard_.runtime().post_to(home_, [weak = session_, shared, records] {
            if (const auto session = weak.lock()) {
                session->metrics().records_out.add(records);
                session->push(std::move(*shared));
            }
        });
    }

    std::uint64_t session_id_;
    std::weak_ptr<Session> session_;
    ShardId home_;
    Shard& shard_;
};

void close_everywhere(Session& session, std::uint64_t id) {
    auto& runtime = session.services().shard->runtime();
    for (ShardId shard{0}; shard.value < session.table().shard_count(); ++shard) {
        runtime.post_to(shard, [&services = session.table().shards[shard.value], id] {
            services.delivery->subscriptions().close(id);
        });
    }
}

void open(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionOpenRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    const auto& session = request.session;
    const auto view = session->services().shard->catalog().view();
    const auto info = view->subscriptions.find(parsed.value().name);
    if (info == view->subscriptions.end()) {
        request.refuse(fail(Errc::unknown_subscription,
                            "subscription \"" + parsed.value().name + "\" does not exist"));
        return;
    }
    const auto id = session->table().next_id();
    session->deliveries().insert(id);
    gather(
        session->table(),
        session->shard_id(),
        [session, id, message = parsed.value()](const ShardServices& services) {
            // The target lives as long as the session may be open on that shard: it goes with the
            // shard's own record of it.
            auto target = std::make_shared<PushTarget>(id, session, *services.shard);
            const auto opened =
                services.delivery->subscriptions().open({.name = message.name,
                                                         .session = id,
                                                         .consumer = message.consumer,
                                                         .credit = message.credit,
                                                         .target = target});
            return std::make_shared<Result<void>>(opened);
        },
        [session, header = request.header, id, info = info->second](
            const std::vector<std::shared_ptr<Result<void>>>& shards) {
            const auto failed = std::ranges::find_if(shards, [](const auto& one) { return !*one; });
            if (failed != shards.end()) {
                // A shard that has it would hand out records to a session that nobody has.
                session->deliveries().erase(id);
                close_everywhere(*session, id);
                session->refuse(header, (*failed)->error());
                return;
            }
            wire::SubscriptionOpenAnswerT answer;
            answer.session_id = id;
            answer.ack_timeout_ms = info->ack_timeout_ms;
            session->answer(header, answer);
        });
}

void credit(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionCreditRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    gather(
        request.session->table(),
        request.session->shard_id(),
        [message = parsed.value()](const ShardServices& services) {
            services.delivery->subscriptions().add_credit(message.session_id, message.credit);
            return 0;
        },
        [session = request.session, header = request.header](const std::vector<int>&) {
            session->answer(header, wire::DoneT{});
        });
}

/// A cause that only a newer client knows is no reason to give up: the record comes again.
delivery::Cause cause_of(wire::Cause cause) {
    const auto number = static_cast<std::size_t>(cause);
    return number == 0 || number >= delivery::cause_count ? delivery::Cause::transient
                                                          : static_cast<delivery::Cause>(cause);
}

delivery::Settlement settlement_of(const wire::SettleRequestT& message) {
    delivery::Settlement settlement{.acks = message.acks,
                                    .nacks = {},
                                    .extends = message.extends,
                                    .extend_by = std::chrono::milliseconds(message.extend_ms)};
    for (const auto& nack : message.nacks) {
        settlement.nacks.push_back(
            {.delivery_id = nack->delivery_id,
             .cause = cause_of(nack->cause),
             .delay = nack->delay_ms ? std::optional(std::chrono::milliseconds(*nack->delay_ms))
                                     : std::nullopt,
             .error = nack->error,
             .response = nack->response});
    }
    return settlement;
}

using Stale = Result<std::vector<std::uint64_t>>;

void answer_settle(Session& session, const wire::FrameHeader& header, const Stale& stale) {
    if (!stale) {
        session.refuse(header, stale.error());
        return;
    }
    wire::SettleAnswerT answer;
    answer.stale = stale.value();
    session.answer(header, answer);
}

void settle(const Request& request) {
    const auto parsed = wire::parse_message<wire::SettleRequest>(request.table);
    const auto& session = request.session;
    if (!parsed || parsed.value().shard >= session->table().shard_count()) {
        request.refuse(parsed ? fail(Errc::invalid_argument,
                                     "there is no shard " + std::to_string(parsed.value().shard))
                              : parsed.error());
        return;
    }
    const auto id = parsed.value().session_id;
    auto settlement = std::make_shared<delivery::Settlement>(settlement_of(parsed.value()));
    start_on<Stale>(
        session->table(),
        session->shard_id(),
        ShardId{parsed.value().shard},
        [id, settlement](const ShardServices& services, const auto& done) {
            services.delivery->subscriptions().settle(id, std::move(*settlement), done);
        },
        [session, header = request.header](const Stale& stale) {
            answer_settle(*session, header, stale);
        });
}

void close(const Request& request) {
    const auto parsed = wire::parse_message<wire::SubscriptionCloseRequest>(request.table);
    if (!parsed) {
        request.refuse(parsed.error());
        return;
    }
    request.session->deliveries().erase(parsed.value().session_id);
    close_everywhere(*request.session, parsed.value().session_id);
    request.answer(wire::DoneT{});
}

}  // namespace

void handle_subscription_consumer(const Request& request) {
    switch (static_cast<wire::Api>(request.header.api)) {
        case wire::Api::subscription_open:
            return open(request);
        case wire::Api::subscription_credit:
            return credit(request);
        case wire::Api::subscription_settle:
            return settle(request);
        default:
            return close(request);
    }
}

void end_deliveries(Session& session) {
    for (const auto id : session.deliveries()) {
        close_everywhere(session, id);
    }
    session.deliveries().clear();
}

}  // namespace millrace::broker::protocol
