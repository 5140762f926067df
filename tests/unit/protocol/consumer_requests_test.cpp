#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "tests/unit/broker/shard_fixture.hpp"
#include "tests/unit/protocol/fake_connection.hpp"

#include "broker/delivery/delivery_shard.hpp"
#include "broker/protocol/session.hpp"
#include "client/wire/schema/session_generated.h"
#include "client/wire/schema/subscriptions_generated.h"

namespace millrace::broker::protocol {
namespace {

/// A shard with a catalog of its own: two of them are a node whose catalog is on its way.
struct Side {
    Side()
        : fixture(1, [this](Shard& shard) {
              delivery.reset();
              delivery = delivery::make_delivery_shard(shard, table);
          }) {}
    ~Side() { delivery.reset(); }
    Side(const Side&) = delete;
    Side& operator=(const Side&) = delete;
    Side(Side&&) = delete;
    Side& operator=(Side&&) = delete;
    [[nodiscard]] ShardServices services() const {
        return {.shard = fixture.shard.get(), .delivery = delivery.get()};
    }

    delivery::DeliveryTable table;
    std::unique_ptr<delivery::DeliveryShard> delivery;
    broker::testing::ShardFixture fixture;
};

TEST(ConsumerRequests, AnOpenThatOneShardRefusesLeavesNoSessionOnAnother) {
    Side here;
    Side other;
    const auto partition = here.fixture.make_topic("a.b").front();
    SubscriptionInfo info;
    info.name = "sink";
    info.topics = {"a.b"};
    here.fixture.shard->catalog().create_subscription(
        info, IfExists::fail, [](const auto& done) { ASSERT_TRUE(done); });
    here.fixture.publish_now(partition, broker::testing::ShardFixture::batch_of("v"));

    std::uint64_t last_id = 0;
    const ServiceTable table{.shards = {here.services(), other.services()},
                             .version = "test",
                             .next_id = [&last_id] { return ++last_id; }};
    const SessionLimits limits;
    SessionMetrics metrics(*here.fixture.metrics, ShardId{0});
    const auto connection = std::make_shared<FakeConnection>();
    const auto session = std::make_shared<Session>(Session::Wiring{.table = table,
                                                                   .shard = ShardId{0},
                                                                   .limits = limits,
                                                                   .metrics = metrics,
                                                                   .on_gone = [](Session&) {}},
                                                   connection);
    const auto ask = [&](wire::Api api, const auto& message) {
        session->on_bytes(wire::format_message({.api = static_cast<std::uint16_t>(api)}, message));
        for (int round = 0; round < 5; ++round) {
            here.fixture.runtime->run_until_idle();
            other.fixture.runtime->run_until_idle();
        }
    };
    wire::HelloRequestT hello;
    hello.protocol_version_min = hello.protocol_version_max = wire::protocol_version;
    ask(wire::Api::hello, hello);
    wire::SubscriptionOpenRequestT open;
    open.name = "sink";
    ask(wire::Api::subscription_open, open);

    bool is_refused = false;
    wire::FrameReader reader;
    for (const auto& bytes : connection->sent) {
        ASSERT_TRUE(reader.feed(bytes, [&is_refused](const wire::FrameView& frame) {
            const bool is_answer =
                frame.header.api == static_cast<std::uint16_t>(wire::Api::subscription_open);
            const auto done = wire::parse_message<wire::Done>(frame.table);
            is_refused |=
                is_answer && done && done.value().error &&
                done.value().error->code == static_cast<std::uint16_t>(Errc::unknown_subscription);
            return true;
        }));
    }
    EXPECT_TRUE(is_refused);
    EXPECT_TRUE(session->deliveries().empty());
    const auto progress = here.delivery->subscriptions().progress("sink");
    ASSERT_TRUE(progress);
    EXPECT_EQ(progress.value().consumers, 0U);
    EXPECT_EQ(progress.value().in_flight, 0U) << "the record waits for a consumer that is there";
}

}  // namespace
}  // namespace millrace::broker::protocol
