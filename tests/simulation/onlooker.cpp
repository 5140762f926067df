#include "tests/simulation/onlooker.hpp"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

#include "tests/simulation/log_records.hpp"

namespace millrace::simulation {
namespace {

const std::string onlooker_subscription = "onlooker";
constexpr SessionId session = 1'000'000;  ///< above those of the world's consumers
constexpr std::uint32_t credit = 64;

}  // namespace

class Onlooker::Consumer final : public broker::delivery::DeliveryTarget {
  public:
    explicit Consumer(Onlooker& onlooker) : onlooker_(onlooker) {}
    void on_deliveries(ShardId /*shard*/, std::span<const Delivery> deliveries) override {
        for (const auto& delivery : deliveries) {
            onlooker_.take(delivery);
        }
    }
    void on_ended(ShardId /*shard*/, const Error& /*reason*/) override {}

  private:
    Onlooker& onlooker_;
};

Onlooker::Onlooker(broker::testing::ShardFixture& fixture, std::vector<PartitionId> partitions)
    : fixture_(fixture), partitions_(std::move(partitions)) {}

void Onlooker::create_subscription() const {
    broker::SubscriptionInfo info;
    info.name = onlooker_subscription;
    info.topics = {"a.b"};
    fixture_.shard->catalog().create_subscription(
        info, broker::IfExists::fail, [](const auto& done) {
            ASSERT_TRUE(done) << done.error().text;
        });
    fixture_.runtime->run_until_idle();
}

void Onlooker::start(broker::delivery::DeliveryShard& delivery) {
    ++life_;
    delivery_ = &delivery;
    waiting_.clear();
    may_be_settled_.merge(asked_);
    asked_.clear();
    consumer_ = std::make_shared<Consumer>(*this);
    const auto opened = delivery.subscriptions().open({.name = onlooker_subscription,
                                                       .session = session + life_,
                                                       .consumer = "onlooker",
                                                       .credit = credit,
                                                       .target = consumer_});
    ASSERT_TRUE(opened) << opened.error().text;
    fixture_.runtime->run_until_idle();
}

void Onlooker::take(const Delivery& delivery) {
    const RecordId id{.partition = delivery.partition, .offset = delivery.offset};
    const auto name = std::to_string(id.partition.value) + "@" + std::to_string(id.offset.value);
    if (settled_.contains(id)) {
        violations_.push_back("onlooker: " + name + " is delivered again");
    }
    if (std::ranges::find(partitions_, id.partition) == partitions_.end()) {
        violations_.push_back("onlooker: " + name + " is of another topic");
    }
    waiting_[delivery.delivery_id] = id;
}

void Onlooker::ack() {
    broker::delivery::Settlement settlement;
    std::vector<RecordId> records;
    for (const auto& [delivery, id] : std::exchange(waiting_, {})) {
        settlement.acks.push_back(delivery);
        records.push_back(id);
    }
    if (settlement.acks.empty()) {
        return;
    }
    asked_.insert(records.begin(), records.end());
    delivery_->subscriptions().settle(
        session + life_,
        std::move(settlement),
        [this, records, life = life_](const Result<std::vector<std::uint64_t>>& stale) {
            if (life != life_) {
                return;
            }
            for (const auto& id : records) {
                asked_.erase(id);
            }
            if (stale && stale.value().empty()) {
                settled_.insert(records.begin(), records.end());
            }
        });
}

void Onlooker::retire(PartitionId partition, Offset first) {
    first_[partition] = std::max(first_[partition], first);
}

void Onlooker::check_drained() {
    constexpr int rounds_max = 1'000;
    for (int round = 0; round < rounds_max && !waiting_.empty(); ++round) {
        ack();
        fixture_.runtime->run_until_idle();
    }
    for (const auto partition : partitions_) {
        for (const auto& record : read_log(fixture_, partition, first_[partition])) {
            check_settled(record);
        }
    }
}

void Onlooker::check_settled(const LogRecord& record) {
    const bool may_expire = record.view().header("expires-at").has_value();
    const RecordId id{record.partition, record.offset};
    if (!may_expire && !settled_.contains(id) && !may_be_settled_.contains(id)) {
        violations_.push_back("onlooker: " + std::to_string(record.partition.value) + "@" +
                              std::to_string(record.offset.value) + " never came");
    }
}

}  // namespace millrace::simulation
