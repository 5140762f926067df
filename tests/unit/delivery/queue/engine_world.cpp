#include "tests/unit/delivery/queue/engine_world.hpp"

#include <algorithm>

#include "broker/catalog/catalog_service.hpp"
#include "client/wire/record_batch.hpp"

namespace millrace::broker::delivery::testing {

void Inbox::on_deliveries(ShardId /*shard*/, std::span<const Delivery> deliveries) {
    for (const auto& delivery : deliveries) {
        const auto record = wire::parse_plain_record(delivery.record);
        ASSERT_TRUE(record);
        got_.push_back({.id = delivery.delivery_id,
                        .partition = delivery.partition,
                        .offset = delivery.offset,
                        .attempt = delivery.attempt,
                        .tries = delivery.tries,
                        .value = std::string(record.value().value)});
    }
}

std::vector<std::string> Inbox::take_values() {
    std::vector<std::string> values;
    for (auto& got : take()) {
        values.push_back(std::move(got.value));
    }
    return values;
}

EngineWorld::EngineWorld(std::size_t parked_bytes_max)
    : fixture_(1, [this, parked_bytes_max](Shard& shard) {
          delivery_.reset();
          delivery_ = make_delivery_shard(shard, table_, {.parked_bytes_max = parked_bytes_max});
      }) {}

void EngineWorld::create(SubscriptionInfo info) {
    info.name = "sink";
    if (info.topics.empty()) {
        info.topics = {"a.>"};
    }
    fixture_.shard->catalog().create_subscription(
        std::move(info), IfExists::fail, [](const auto& done) {
            ASSERT_TRUE(done) << done.error().text;
        });
    run();
}

void EngineWorld::alter(SubscriptionAlteration change) {
    change.name = "sink";
    fixture_.shard->catalog().alter_subscription(
        std::move(change), [](const auto& done) { ASSERT_TRUE(done) << done.error().text; });
    run();
}

void EngineWorld::publish(PartitionId partition, const std::vector<Outgoing>& records) {
    wire::RecordBatchBuilder builder;
    for (const auto& record : records) {
        wire::RecordView view{
            .key = record.key.empty() ? std::nullopt : std::optional<std::string_view>(record.key),
            .value = record.value,
            .headers = {},
            .event_time_us = 1};
        for (const auto& [key, value] : record.headers) {
            view.headers.push_back({.key = key, .value = value});
        }
        builder.add(view);
    }
    const auto batch = builder.finish({.id = -1, .epoch = 0, .base_sequence = -1}).value();
    const auto answer = fixture_.publish_now(partition, batch);
    ASSERT_EQ(answer.outcome.code, Errc::ok) << answer.text;
}

std::shared_ptr<Inbox> EngineWorld::open(SessionId session, std::uint32_t credit) {
    auto inbox = std::make_shared<Inbox>();
    const auto opened = delivery_->subscriptions().open(
        {.name = "sink", .session = session, .consumer = "c", .credit = credit, .target = inbox});
    EXPECT_TRUE(opened);
    run();
    return inbox;
}

void EngineWorld::ack(SessionId session, const std::vector<Inbox::Got>& got) {
    Settlement settlement;
    for (const auto& one : got) {
        settlement.acks.push_back(one.id);
    }
    delivery_->subscriptions().settle(session, std::move(settlement), [](const auto& stale) {
        ASSERT_TRUE(stale);
        EXPECT_TRUE(stale.value().empty());
    });
    run();
}

void EngineWorld::nack(SessionId session, const Inbox::Got& got, Cause cause, std::string error) {
    Settlement settlement;
    settlement.nacks.push_back(
        {.delivery_id = got.id, .cause = cause, .delay = {}, .error = std::move(error)});
    delivery_->subscriptions().settle(
        session, std::move(settlement), [](const auto& stale) { ASSERT_TRUE(stale); });
    run();
}

void EngineWorld::restart() {
    ASSERT_TRUE(fixture_.shard->stop());
    delivery_.reset();
    fixture_.open();
}

SubscriptionProgress EngineWorld::progress() const {
    const auto progress = delivery_->subscriptions().progress("sink");
    EXPECT_TRUE(progress);
    return progress.value();
}

std::vector<Letter> EngineWorld::letters() const {
    const auto page = delivery_->letters().list({.subscription = "sink"});
    EXPECT_TRUE(page);
    return page.value().letters;
}

double EngineWorld::metric(const std::string& name, const Labels& labels) const {
    double sum = 0;
    for (const auto& sample : fixture_.metrics->samples()) {
        const bool is_wanted =
            sample.name == name && std::ranges::all_of(labels, [&sample](const auto& label) {
                return std::ranges::find(sample.labels, label) != sample.labels.end();
            });
        sum += is_wanted ? sample.histogram == nullptr
                               ? sample.value
                               : static_cast<double>(sample.histogram->count())
                         : 0;
    }
    return sum;
}

std::string EngineWorld::in(Duration time) const {
    return std::to_string((fixture_.clock.unix_now() + time.count()) / 1'000);
}

}  // namespace millrace::broker::delivery::testing
