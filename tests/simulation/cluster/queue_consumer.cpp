#include "tests/simulation/cluster/queue_consumer.hpp"

#include <algorithm>

#include "client/wire/record.hpp"

namespace millrace::simulation::cluster {
namespace {

constexpr Duration rest_between_min{2'000};
constexpr Duration rest_between_max{60'000};
constexpr std::uint32_t credit = 200;
constexpr double ack_share = 0.7;

std::string name_of(const std::pair<PartitionId, Offset>& record) {
    return std::to_string(record.first.value) + "@" + std::to_string(record.second.value);
}

}  // namespace

/// Of one session; what comes after its end is of no interest.
class QueueConsumer::Target final : public broker::delivery::DeliveryTarget {
  public:
    explicit Target(QueueConsumer& consumer) : consumer_(consumer) {}
    void on_deliveries(ShardId /*shard*/,
                       std::span<const broker::delivery::Delivery> deliveries) override {
        for (const auto& delivery : deliveries) {
            if (consumer_.session_ && consumer_.session_->target.get() == this) {
                consumer_.take(delivery);
            }
        }
    }
    void on_ended(ShardId /*shard*/, const Error& /*reason*/) override {}

  private:
    QueueConsumer& consumer_;
};

void QueueConsumer::start() {
    around_.stage.after(around_.stage.between(rest_between_min, rest_between_max), [this] {
        think();
        start();
    });
}

void QueueConsumer::think() {
    if (session_ &&
        (session_->node->life() != session_->life || !session_->node->takes_clients())) {
        session_.reset();
    }
    if (session_) {
        ack_some();
        return;
    }
    for (const auto& node : around_.nodes) {
        if (node->takes_clients()) {
            open(*node);
            return;
        }
    }
}

void QueueConsumer::open(SimNode& node) {
    session_ = std::make_unique<Session>();
    session_->node = &node;
    session_->life = node.life();
    session_->id = ++last_session_;
    session_->target = std::make_shared<Target>(*this);
    node.post([this, &node, id = session_->id, target = session_->target] {
        const auto opened = node.delivery().subscriptions().open({.name = subscription_,
                                                                  .session = id,
                                                                  .consumer = "one",
                                                                  .credit = credit,
                                                                  .target = target});
        if (!opened && session_ && session_->id == id) {
            session_.reset();  // it is tried again
        }
    });
}

void QueueConsumer::take(const broker::delivery::Delivery& delivery) {
    ++deliveries_;
    const auto record = wire::parse_plain_record(delivery.record);
    if (!record) {
        around_.stage.violate("a delivery does not parse: " + record.error().text);
        return;
    }
    const RecordId id{delivery.partition, delivery.offset};
    const std::string key(record.value().key.value_or(""));
    around_.stage.tell("  delivered " + name_of(id) + " attempt " +
                       std::to_string(delivery.attempt));
    around_.history.note_read(session_->node->name() + " (delivery)",
                              delivery.partition,
                              {.offset = delivery.offset,
                               .append_time_us = delivery.append_time_us,
                               .key = key,
                               .value = std::string(record.value().value)});
    if (settled_.contains(id) && around_.is_newest(*session_->node)) {
        around_.stage.violate(name_of(id) + " was settled and is delivered again");
    }
    const auto [at, is_first] = session_->keys.try_emplace({id.first, key}, id.second);
    if (!is_first && at->second != id.second) {
        around_.stage.violate(name_of(id) + " is delivered while " +
                              name_of({id.first, at->second}) + " of its key is out");
    }
    session_->waiting[delivery.delivery_id] = id;
}

void QueueConsumer::ack_some() {
    Deliveries asked;
    broker::delivery::Settlement settlement;
    for (const auto& [delivery, id] : session_->waiting) {
        if (around_.stage.chance(ack_share)) {
            asked.emplace_back(delivery, id);
            settlement.acks.push_back(delivery);
        }
    }
    if (asked.empty()) {
        return;
    }
    for (const auto& [delivery, id] : asked) {
        session_->waiting.erase(delivery);
        std::erase_if(session_->keys, [id = id](const auto& row) {
            return row.first.first == id.first && row.second == id.second;
        });
        asked_.insert(id);
    }
    auto& node = *session_->node;
    node.post([this, &node, asked, settlement, session = session_->id] {
        settle(node, session, settlement, asked);
    });
}

/// In a turn of the node.
void QueueConsumer::settle(SimNode& node,
                           std::uint64_t session,
                           const broker::delivery::Settlement& settlement,
                           const Deliveries& asked) {
    node.delivery().subscriptions().settle(
        session,
        settlement,
        [this, &node, asked, life = node.life()](const Result<std::vector<std::uint64_t>>& stale) {
            if (node.life() == life) {
                settled(asked, stale);
            }
        });
}

void QueueConsumer::settled(const Deliveries& asked,
                            const Result<std::vector<std::uint64_t>>& stale) {
    if (!stale) {
        return;
    }
    for (const auto& [delivery, id] : asked) {
        if (std::ranges::find(stale.value(), delivery) == stale.value().end()) {
            settled_.insert(id);
        }
    }
}

std::vector<QueueConsumer::RecordId> QueueConsumer::missing() const {
    std::vector<RecordId> found;
    for (const auto partition : partitions_) {
        for (const auto& [offset, record] : around_.history.records(partition)) {
            found.emplace_back(partition, offset);
        }
    }
    std::erase_if(found, [this](const auto& id) { return asked_.contains(id); });
    return found;
}

void QueueConsumer::check_end() {
    for (const auto& id : missing()) {
        around_.stage.violate(name_of(id) + " was never delivered");
    }
}

}  // namespace millrace::simulation::cluster
