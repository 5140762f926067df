// Queue subscriptions, dead letters and consumer groups against a real broker, across SIGKILL.

#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/kill/daemon.hpp"

#include "millrace/client.hpp"

namespace millrace::testing {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr const char* topic = "plant1.mes.step.done";

class DeliveryTest : public ::testing::Test {
  protected:
    DeliveryTest() : daemon_({"--segment-bytes", "16MiB"}) {
        daemon_.start();
        client().admin().create_topic({.name = topic, .partition_count = 3});
    }

    Client client() {
        return Client{{.brokers = daemon_.address(), .backoff_max = milliseconds(100)}};
    }

    /// `count` records for each key, in turns: value "key:number".
    void publish(const std::vector<std::string>& keys, int count) {
        auto sender = client();
        auto producer = sender.producer(topic);
        const auto on_answer = [](const auto&, const auto& error) { EXPECT_EQ(error, nullptr); };
        for (int i = 0; i < count; ++i) {
            for (const auto& key : keys) {
                producer.send({.key = key, .value = key + ":" + std::to_string(i)}, on_answer);
            }
        }
        producer.flush();
    }

    template <class Deliveries>
    void take(Deliveries& deliveries, const std::function<bool(Delivery&)>& should_ack) {
        for (auto& delivery : deliveries) {
            if (should_ack(delivery)) {
                const std::string key(delivery.record().key.value());
                acked_[key].emplace_back(delivery.record().value);
                delivery.ack();
            }
        }
    }

    /// Handles deliveries until nothing has come for a while; keeps what was acked by key.
    void consume(const std::function<bool(Delivery&)>& should_ack) {
        auto reader = client();
        auto subscription = reader.subscribe("sink", {.topics = {topic}});
        while (true) {
            auto deliveries = subscription.poll(milliseconds(700));
            if (deliveries.empty()) {
                break;
            }
            take(deliveries, should_ack);
        }
        EXPECT_EQ(subscription.flush(), 0U);
    }

    static std::vector<std::string> expected(const std::string& key, int count) {
        std::vector<std::string> values;
        values.reserve(static_cast<std::size_t>(count));
        for (int i = 0; i < count; ++i) {
            values.push_back(key + ":" + std::to_string(i));
        }
        return values;
    }

    Daemon daemon_;
    std::map<std::string, std::vector<std::string>> acked_;
};

TEST_F(DeliveryTest, EveryRecordComesOnceInOrderPerKeyAndStaysSettledAfterSigkill) {
    publish({"a", "b", "c", "d"}, 200);
    consume([](Delivery&) { return true; });
    for (const std::string key : {"a", "b", "c", "d"}) {
        EXPECT_EQ(acked_[key], expected(key, 200));
    }
    daemon_.kill();
    daemon_.start();
    acked_.clear();
    publish({"a"}, 1);
    consume([](Delivery&) { return true; });
    EXPECT_THAT(acked_, SizeIs(1));
    EXPECT_THAT(acked_["a"], ElementsAre("a:0"));
}

TEST_F(DeliveryTest, MappingErrorParksTheKeyUntilItsLetterIsRedrivenAcrossSigkill) {
    publish({"good", "bad"}, 20);
    int refused = 0;
    consume([&](Delivery& delivery) {
        if (delivery.record().key == "bad") {
            ++refused;
            delivery.nack({.cause = Cause::mapping,
                           .delay = {},
                           .error = "unknown product",
                           .response = "{}"});
            return false;
        }
        return true;
    });
    EXPECT_EQ(refused, 1);
    EXPECT_EQ(acked_["good"], expected("good", 20));

    daemon_.kill();
    daemon_.start();
    auto admin_client = client();
    auto admin = admin_client.admin();
    const auto letters = admin.list_letters({.subscription = "sink"});
    ASSERT_THAT(letters, SizeIs(1));
    EXPECT_EQ(letters[0].cause, Cause::mapping);
    EXPECT_EQ(letters[0].error, "unknown product");
    EXPECT_EQ(letters[0].key, "bad");
    const auto shown = admin.show_letter("sink", letters[0].id);
    ASSERT_TRUE(shown.record);
    EXPECT_EQ(shown.record->value, "bad:0");

    acked_.clear();
    consume([](Delivery&) { return true; });
    EXPECT_THAT(acked_, SizeIs(0)) << "parked records flow although their letter is open";
    EXPECT_EQ(admin.describe_subscription("sink").parked_records, 19U);

    EXPECT_EQ(admin.redrive_letters(
                  {.query = {.subscription = "sink"}, .ids = {letters[0].id}, .by = "test"}),
              1U);
    consume([](Delivery&) { return true; });
    EXPECT_EQ(acked_["bad"], expected("bad", 20));
    EXPECT_EQ(admin.list_letters({.subscription = "sink", .state = LetterState::resolved}).size(),
              1U);
    EXPECT_EQ(admin.describe_subscription("sink").lag_records, 0U);
}

TEST_F(DeliveryTest, DiscardedLetterLetsTheFollowersGo) {
    publish({"k"}, 3);
    consume([](Delivery& delivery) {
        delivery.nack({.cause = Cause::mapping, .delay = {}, .error = "no", .response = {}});
        return false;
    });
    auto admin_client = client();
    EXPECT_EQ(
        admin_client.admin().discard_letters(
            {.query = {.subscription = "sink", .cause = Cause::mapping}, .ids = {}, .by = "test"},
            "a test order"),
        1U);
    consume([](Delivery&) { return true; });
    EXPECT_THAT(acked_["k"], ElementsAre("k:1", "k:2"));
}

TEST_F(DeliveryTest, OutageOpensTheCircuitAndBurnsNothing) {
    publish({"a", "b"}, 50);
    int outages = 0;
    std::uint32_t attempt_max = 0;
    consume([&](Delivery& delivery) {
        attempt_max = std::max(attempt_max, delivery.attempt());
        if (outages < 3) {
            ++outages;
            delivery.nack({.cause = Cause::outage,
                           .delay = {},
                           .error = "connection refused",
                           .response = {}});
            return false;
        }
        return true;
    });
    // The circuit was open when nothing came any more; its probe brings the rest.
    for (int i = 0; i < 10 && acked_["a"].size() + acked_["b"].size() < 100; ++i) {
        consume([](Delivery&) { return true; });
    }
    EXPECT_EQ(acked_["a"], expected("a", 50));
    EXPECT_EQ(acked_["b"], expected("b", 50));
    EXPECT_EQ(attempt_max, 1U);
    auto admin_client = client();
    EXPECT_THAT(admin_client.admin().list_letters({.subscription = "sink"}), SizeIs(0));
}

TEST_F(DeliveryTest, TransientFailuresComeAgainInOrderAndEndAsPoison) {
    auto admin_client = client();
    admin_client.admin().create_subscription({.name = "sink",
                                              .topics = {topic},
                                              .attempts_max = 3,
                                              .backoff_min = milliseconds(1),
                                              .backoff_max = milliseconds(20)});
    publish({"flaky", "broken"}, 2);
    std::map<std::string, int> tries;
    consume([&](Delivery& delivery) {
        const std::string value(delivery.record().value);
        const bool fails = value == "broken:0" || (value == "flaky:0" && tries[value] < 2);
        EXPECT_EQ(delivery.attempt(), static_cast<std::uint32_t>(++tries[value]));
        if (fails) {
            delivery.nack({.cause = Cause::transient,
                           .delay = {},
                           .error = "serialization failure",
                           .response = {}});
        }
        return !fails;
    });
    EXPECT_EQ(acked_["flaky"], expected("flaky", 2));
    EXPECT_EQ(tries["broken:0"], 3);
    const auto letters = admin_client.admin().list_letters({.subscription = "sink"});
    ASSERT_THAT(letters, SizeIs(1));
    EXPECT_EQ(letters[0].cause, Cause::poison);
    EXPECT_EQ(letters[0].attempts, 3U);
}

TEST_F(DeliveryTest, GroupMembersShareThePartitionsAndOffsetsSurviveSigkill) {
    publish({"a", "b", "c", "d", "e", "f"}, 50);
    std::size_t first_read = 0;
    {
        auto reader = client();
        auto consumer = reader.consumer({.topics = {topic}, .group = "analytics", .start = {}});
        while (!consumer.is_caught_up()) {
            first_read += consumer.poll(milliseconds(300)).size();
        }
        consumer.commit();
        auto second_reader = client();
        auto second =
            second_reader.consumer({.topics = {topic}, .group = "analytics", .start = {}});
        EXPECT_THAT(second.assignment(), SizeIs(1));
    }
    EXPECT_EQ(first_read, 300U);
    daemon_.kill();
    daemon_.start();
    publish({"a"}, 7);
    auto reader = client();
    auto consumer = reader.consumer({.topics = {topic}, .group = "analytics", .start = {}});
    std::size_t read_again = 0;
    while (!consumer.is_caught_up()) {
        read_again += consumer.poll(milliseconds(300)).size();
    }
    EXPECT_EQ(read_again, 7U);
    EXPECT_THAT(reader.admin().describe_group("analytics").members, SizeIs(1));
}

TEST_F(DeliveryTest, ReplayGivesTheWindowInAppendOrder) {
    publish({"a", "b"}, 10);
    auto reader = client();
    const auto now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                            std::chrono::system_clock::now().time_since_epoch())
                            .count();
    std::this_thread::sleep_for(milliseconds(20));
    publish({"late"}, 5);
    std::vector<Record> records;
    auto replay = reader.replay({.topics = {"plant1.>"}, .from_us = 0, .to_us = now_us + 10'000});
    for (auto part = replay.read(); !part.empty(); part = replay.read()) {
        records.insert(records.end(), part.begin(), part.end());
    }
    EXPECT_THAT(records, SizeIs(20));
    EXPECT_TRUE(
        std::is_sorted(records.begin(), records.end(), [](const Record& a, const Record& b) {
            return a.append_time_us < b.append_time_us;
        }));
}

}  // namespace
}  // namespace millrace::testing
