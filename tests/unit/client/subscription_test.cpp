#include "millrace/subscription.hpp"

#include <algorithm>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/client/scripted_node.hpp"

#include "client/wire/schema/subscriptions_generated.h"
#include "millrace/client.hpp"

namespace millrace::client {
namespace {

using namespace std::chrono_literals;
using testing::ScriptedNode;
using wire::Api;

constexpr std::uint32_t partition = 11;

/// Waits as long as it takes.
std::vector<Delivery> poll_some(Subscription& subscription) {
    std::vector<Delivery> deliveries;
    while (deliveries.empty()) {
        deliveries = subscription.poll(1s);
    }
    return deliveries;
}

wire::SettleRequestT next_settle(ScriptedNode& node) {
    const auto request = node.next(Api::subscription_settle);
    node.answer(request, wire::SettleAnswerT{});
    return request.as<wire::SettleRequest>();
}

class SubscriptionOfANode : public ::testing::Test {
  protected:
    SubscriptionOfANode() { node.set_topics({{.topic = "a.b", .partition_id = partition}}); }
    ~SubscriptionOfANode() override { join(); }
    SubscriptionOfANode(const SubscriptionOfANode&) = delete;
    SubscriptionOfANode& operator=(const SubscriptionOfANode&) = delete;
    SubscriptionOfANode(SubscriptionOfANode&&) = delete;
    SubscriptionOfANode& operator=(SubscriptionOfANode&&) = delete;

    /// Runs the consumer beside the script.
    void consume(std::function<void(Subscription&)> work, ClientOptions options = {}) {
        options.brokers = node.address();
        consumer = std::thread([options, work = std::move(work)] {
            Client client{options};
            auto subscription = client.subscribe("q");
            work(subscription);
        });
        node.accept();
    }
    void join() {
        if (consumer.joinable()) {
            consumer.join();
        }
    }

    ScriptedNode node;
    std::thread consumer;
};

TEST_F(SubscriptionOfANode, IdleOneOpensAgainAfterALostConnection) {
    std::string value;
    consume([&](Subscription& subscription) {
        auto deliveries = poll_some(subscription);
        value = deliveries.front().record().value;
        deliveries.front().ack();
        EXPECT_EQ(subscription.flush(), 0U);
    });
    node.open_session(5);
    node.drop();
    node.accept();
    node.open_session(9);
    node.push(9, {{.delivery = 1, .partition_id = partition, .value = "after"}});
    EXPECT_EQ(next_settle(node).session_id, 9U);
    join();
    EXPECT_EQ(value, "after");
}

TEST_F(SubscriptionOfANode, AnAckDoesNotWaitForTheEndOfTheBatch) {
    std::promise<void> settled;
    consume([&](Subscription& subscription) {
        auto deliveries = poll_some(subscription);
        deliveries[0].ack();
        settled.get_future().wait();  // a slow handler
        deliveries[1].ack();
        EXPECT_EQ(subscription.flush(), 0U);
    });
    node.open_session(5);
    node.push(5,
              {{.delivery = 1, .partition_id = partition, .value = "x"},
               {.delivery = 2, .partition_id = partition, .value = "y"}});
    EXPECT_EQ(next_settle(node).acks, std::vector<std::uint64_t>{1});
    settled.set_value();
    EXPECT_EQ(next_settle(node).acks, std::vector<std::uint64_t>{2});
    join();  // before what it waits on is gone
}

TEST_F(SubscriptionOfANode, WhatIsSettledWhileARequestIsOutGoesWithItsAnswer) {
    std::promise<void> first_is_out;
    std::promise<void> others_are_gathered;
    std::promise<void> second_is_out;
    std::promise<void> extension_is_out;
    consume([&](Subscription& subscription) {
        auto deliveries = poll_some(subscription);
        deliveries[0].ack();
        first_is_out.get_future().wait();
        deliveries[1].ack();
        deliveries[2].nack({});
        others_are_gathered.set_value();
        second_is_out.get_future().wait();
        deliveries[3].extend(1s);
        extension_is_out.get_future().wait();
        EXPECT_EQ(subscription.flush(), 0U);
    });
    node.open_session(5);
    std::vector<testing::ScriptedDelivery> four;
    for (std::uint64_t id = 1; id <= 4; ++id) {
        four.push_back({.delivery = id, .partition_id = partition, .value = "x"});
    }
    node.push(5, four);
    const auto first = node.next(Api::subscription_settle);
    first_is_out.set_value();
    others_are_gathered.get_future().wait();
    node.answer(first, wire::SettleAnswerT{});
    const auto second = node.next(Api::subscription_settle);
    EXPECT_EQ(second.as<wire::SettleRequest>().acks, std::vector<std::uint64_t>{2});
    EXPECT_EQ(second.as<wire::SettleRequest>().nacks.size(), 1U);
    second_is_out.set_value();
    EXPECT_EQ(next_settle(node).extends, std::vector<std::uint64_t>{4});  // without its answer
    extension_is_out.set_value();
    node.answer(second, wire::SettleAnswerT{});
    join();
}

TEST_F(SubscriptionOfANode, AnAckOfASessionThatWasLostLeavesTheNewOneAlone) {
    std::promise<void> has_first;
    std::size_t stale = 0;
    consume([&](Subscription& subscription) {
        auto first = poll_some(subscription);
        has_first.set_value();
        auto second = poll_some(subscription);
        first.front().ack();
        second.front().ack();
        stale = subscription.flush();
    });
    node.open_session(5);
    node.push(5, {{.delivery = 1, .partition_id = partition, .value = "x"}});
    has_first.get_future().wait();
    node.drop();
    node.accept();
    node.open_session(9);
    node.push(9, {{.delivery = 2, .partition_id = partition, .value = "x"}});
    const auto settled = next_settle(node);
    EXPECT_EQ(settled.session_id, 9U);
    EXPECT_EQ(settled.acks, std::vector<std::uint64_t>{2});
    const auto rest = node.rest();
    EXPECT_EQ(std::ranges::count(rest, Api::subscription_settle, &testing::SentRequest::api), 0);
    EXPECT_EQ(std::ranges::count(rest, Api::subscription_open, &testing::SentRequest::api), 0);
    join();
    EXPECT_EQ(stale, 1U);
}

TEST(ClientOfANode, AsksAgainWhatATopicIsWhenItsConnectionBreaks) {
    ScriptedNode node;
    node.hold_topics();
    const testing::NamedPartition topic{.topic = "a.b", .partition_id = partition};
    std::thread asking([&node] {
        Client client{{.brokers = node.address()}};
        EXPECT_NO_THROW((void)client.producer("a.b"));
    });
    node.accept();
    (void)node.next(Api::metadata);
    node.drop();
    node.accept();
    node.answer(node.next(Api::metadata), testing::metadata_answer({topic}));
    asking.join();
}

TEST_F(SubscriptionOfANode, ASessionThatWasReplacedIsClosed) {
    consume([&](Subscription& subscription) {
        auto deliveries = poll_some(subscription);
        deliveries.front().ack();
        EXPECT_EQ(subscription.flush(), 1U);
        auto again = poll_some(subscription);
        again.front().ack();
        EXPECT_EQ(subscription.flush(), 0U);
    });
    node.open_session(5);
    node.push(5, {{.delivery = 1, .partition_id = partition, .value = "x"}});
    node.refuse(node.next(Api::subscription_settle), Errc::stale_delivery);
    node.open_session(9);
    const auto closed = node.next(Api::subscription_close).as<wire::SubscriptionCloseRequest>();
    EXPECT_EQ(closed.session_id, 5U);
    node.push(9, {{.delivery = 2, .partition_id = partition, .value = "x"}});
    EXPECT_EQ(next_settle(node).session_id, 9U);
}

TEST_F(SubscriptionOfANode, RecordsOfATopicThatCameLaterHaveItsName) {
    std::vector<Record> records;
    const auto record_of = [](const Delivery& delivery) { return delivery.record(); };
    consume([&](Subscription& subscription) {
        while (records.size() < 2) {
            const auto deliveries = poll_some(subscription);
            std::ranges::transform(deliveries, std::back_inserter(records), record_of);
        }
    });
    node.open_session(5);
    node.set_topics({{.topic = "a.b", .partition_id = partition},
                     {.topic = "late.topic", .partition_id = 77, .index = 3}});
    node.push(5,
              {{.delivery = 1, .partition_id = 77, .value = "x"},
               {.delivery = 2, .partition_id = partition, .value = "y"}});
    (void)node.rest();  // answers for metadata among it
    join();
    std::ranges::sort(records, {}, &Record::topic);
    EXPECT_EQ(records[0].topic, "a.b");
    EXPECT_EQ(records[1].topic, "late.topic");
    EXPECT_EQ(records[1].partition, 3U);
}

TEST_F(SubscriptionOfANode, ABrokerThatFallsSilentIsLeft) {
    consume([](Subscription& subscription) { (void)poll_some(subscription); }, {.silence_max = 2s});
    node.open_session(5);
    node.accept();  // nothing was said for so long, not to the probe either
    node.open_session(9);
    node.push(9, {{.delivery = 1, .partition_id = partition, .value = "x"}});
    (void)node.rest();
}

TEST_F(SubscriptionOfANode, OneThatIsIdleButAnswersProbesIsKept) {
    consume([](Subscription& subscription) { (void)poll_some(subscription); }, {.silence_max = 4s});
    node.open_session(5);
    node.confirm(node.next(Api::hello));
    node.push(5, {{.delivery = 1, .partition_id = partition, .value = "x"}});
    (void)node.rest();
}

}  // namespace
}  // namespace millrace::client
