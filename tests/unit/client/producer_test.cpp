#include "millrace/producer.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "tests/unit/client/scripted_broker.hpp"

#include "client/wire/record_batch.hpp"
#include "millrace/client.hpp"

namespace millrace::client {
namespace {

using testing::ScriptedBroker;

constexpr std::size_t batch_bytes = 32'768;
constexpr std::size_t record_bytes = 40'000;  ///< one fills a batch

/// One whose requests have no other limit than the broker's.
Producer producer_of(Client& client) {
    return client.producer("test.event",
                           {.batch_bytes_max = batch_bytes, .requests_in_flight_max = 1000});
}

void send_records(Producer& producer, std::size_t count, std::atomic<std::size_t>& acked) {
    for (std::size_t i = 0; i < count; ++i) {
        producer.send({.value = std::string(record_bytes, '.')},
                      [&acked](const RecordPlace&, const std::exception_ptr& error) {
                          acked += error == nullptr ? 1 : 0;
                      });
    }
}

TEST(Producer, HasNoMoreBatchesOfAPartitionUnansweredThanTheBrokerRemembers) {
    constexpr std::size_t record_count = 64;
    ScriptedBroker broker;
    std::atomic<std::size_t> acked{0};
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = producer_of(client);
        send_records(producer, record_count, acked);
        producer.flush();
    });
    broker.serve_until_publish();
    EXPECT_EQ(broker.unanswered_batches(), 1U);  // until the broker knows the producer
    broker.answer_oldest();
    while (broker.answered_batches() < record_count) {
        EXPECT_LE(broker.unanswered_batches(), wire::producer_batches_in_flight_max);
        if (broker.unanswered_batches() < wire::producer_batches_in_flight_max &&
            broker.batches().size() < record_count) {
            broker.receive_publish();
        } else {
            broker.answer_oldest();
        }
    }
    sender.join();
    EXPECT_EQ(acked, record_count);
}

TEST(Producer, RecordsThatMustWaitShareABatch) {
    constexpr std::size_t small_count = 200;
    const std::string small(1'000, '.');
    ScriptedBroker broker;
    std::promise<void> may_send;
    std::promise<void> has_sent;
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = client.producer("test.event", {.batch_bytes_max = 2 * small_count * 1'000});
        const auto ignore = [](const RecordPlace&, const std::exception_ptr&) {};
        producer.send({.value = small}, ignore);
        may_send.get_future().wait();
        for (std::size_t i = 0; i < small_count; ++i) {
            producer.send({.value = small}, ignore);
            // Its io thread looks at what is there.
            std::this_thread::sleep_for(std::chrono::microseconds(100));
        }
        has_sent.set_value();
        producer.flush();
    });
    broker.serve_until_publish();
    may_send.set_value();
    has_sent.get_future().wait();
    broker.answer_oldest();
    broker.receive_publish();
    ASSERT_EQ(broker.batches().size(), 2U);
    EXPECT_EQ(broker.batches()[1].record_count, small_count);
    broker.answer_oldest();
    sender.join();
}

/// The first record of a producer goes alone: until it is acked, nothing follows it.
void introduce(Producer& producer, std::atomic<std::size_t>& acked) {
    send_records(producer, 1, acked);
    producer.flush();
}

/// Serves until everything is acked, `producer_count` introductions first; the most requests that
/// were unanswered at a time.
std::size_t serve(ScriptedBroker& broker,
                  std::size_t producer_count,
                  std::size_t record_count,
                  std::size_t requests_max) {
    std::size_t most = 0;
    broker.serve_until_publish();
    broker.answer_oldest();
    for (std::size_t introduced = 1; introduced < producer_count; ++introduced) {
        broker.receive_publish();
        broker.answer_oldest();
    }
    while (broker.answered_batches() < record_count) {
        // Another request is sure to come only while no producer has all it may have under way.
        const bool may_come = broker.unanswered_requests() < requests_max &&
                              broker.unanswered_batches() < wire::producer_batches_in_flight_max &&
                              broker.batches().size() < record_count;
        if (may_come) {
            broker.receive_publish();
        } else {
            broker.answer_oldest();
        }
        most = std::max(most, broker.unanswered_requests());
    }
    return most;
}

TEST(Producer, WhatIsAckedBeforeAnOlderBatchMakesNoRoomForYoungerOnes) {
    constexpr std::size_t window = wire::producer_batches_in_flight_max;
    constexpr std::size_t record_count = 1 + 2 * window;
    ScriptedBroker broker;
    std::atomic<std::size_t> acked{0};
    std::promise<void> may_look;
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = producer_of(client);
        introduce(producer, acked);
        send_records(producer, record_count - 1, acked);
        may_look.get_future().wait();
        (void)client.admin().list_topics({});  // what was answered before is known now
        (void)client.admin().list_topics({});  // and what would be sent for it, was
        producer.flush();
    });
    broker.serve_until_publish();
    broker.answer_oldest();
    while (broker.batches().size() < 1 + window) {
        broker.receive_publish();
    }
    while (broker.unanswered_requests() > 1) {
        broker.answer(1, Errc::ok);
    }
    may_look.set_value();
    broker.receive_metadata();
    broker.receive_metadata();
    EXPECT_EQ(broker.batches().size(), 1 + window);
    while (broker.answered_batches() < record_count) {
        if (broker.has_unanswered()) {
            broker.answer_oldest();
        } else {
            broker.receive_publish();
        }
    }
    sender.join();
    EXPECT_EQ(acked, record_count);
}

TEST(Producer, KeepsToTheCreditOfTheLastAnswer) {
    constexpr std::size_t record_count = 64;
    ScriptedBroker broker;
    broker.grant({.credit = 2});
    std::atomic<std::size_t> acked{0};
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = producer_of(client);
        introduce(producer, acked);
        send_records(producer, record_count - 1, acked);
        producer.flush();
    });
    EXPECT_LE(serve(broker, /*producer_count=*/1, record_count, 2), 2U);
    sender.join();
    EXPECT_EQ(acked, record_count);
}

TEST(Producer, AllOfAConnectionKeepToWhatHelloGrants) {
    constexpr std::size_t record_count = 32;
    ScriptedBroker broker;
    broker.grant({.publishes_outstanding_max = 3});
    std::atomic<std::size_t> acked{0};
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto first = client.producer("test.event", {.batch_bytes_max = batch_bytes});
        auto second = client.producer("test.event", {.batch_bytes_max = batch_bytes});
        introduce(first, acked);
        introduce(second, acked);
        send_records(first, record_count / 2 - 1, acked);
        send_records(second, record_count / 2 - 1, acked);
        first.flush();
        second.flush();
    });
    EXPECT_LE(serve(broker, /*producer_count=*/2, record_count, 3), 3U);
    sender.join();
    EXPECT_EQ(acked, record_count);
}

DeliveryCallback keep_place(RecordPlace& place) {
    return [&place](const RecordPlace& got, const std::exception_ptr& error) {
        EXPECT_EQ(error, nullptr);
        place = got;
    };
}

TEST(Producer, RecordsThatWereThereBeforeGetTheirOwnPlaces) {
    ScriptedBroker broker;
    std::vector<RecordPlace> places(4);
    ProducerStatistics statistics;
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = client.producer("test.event", {.linger = std::chrono::milliseconds(100)});
        for (auto& place : places) {
            producer.send({.value = "x"}, keep_place(place));
        }
        producer.flush();
        statistics = producer.statistics();
    });
    broker.serve_until_publish();
    broker.repeat_next({{/*offset=*/77, /*append_time_us=*/5, /*entry=*/0, /*record=*/1},
                        {/*offset=*/7, /*append_time_us=*/4, /*entry=*/0, /*record=*/2}});
    broker.answer_oldest();
    sender.join();
    const auto offsets =
        std::vector{places[0].offset, places[1].offset, places[2].offset, places[3].offset};
    EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0, 77, 7, 1}));
    EXPECT_FALSE(places[0].duplicate || places[3].duplicate);
    EXPECT_TRUE(places[1].duplicate && places[2].duplicate);
    EXPECT_EQ(places[1].append_time_us, 5);
    EXPECT_EQ(places[3].append_time_us, 1);
    EXPECT_EQ(statistics.duplicates, 2U);
}

/// What became of a record.
struct Fate {
    std::promise<std::string> told;
    DeliveryCallback callback() {
        return [this](const RecordPlace&, const std::exception_ptr& error) {
            told.set_value(error ? name_of(error) : "durable");
        };
    }
    static std::string name_of(const std::exception_ptr& error) {
        try {
            std::rethrow_exception(error);
        } catch (const ClientError& failure) {
            return failure.name();
        }
    }
    std::string wait() { return told.get_future().get(); }
};

TEST(Producer, ABatchThatIsRefusedTakesNeitherElderNorFollowerWithIt) {
    ScriptedBroker broker;
    std::atomic<std::size_t> acked{0};
    std::array<Fate, 4> fates;
    std::array<std::promise<void>, 4> may_send;
    std::promise<void> may_look;
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = client.producer("test.event", {.batch_bytes_max = batch_bytes});
        introduce(producer, acked);
        for (std::size_t i = 0; i < 3; ++i) {
            may_send[i].get_future().wait();
            producer.send({.value = std::string(record_bytes, '.')}, fates[i].callback());
        }
        may_look.get_future().wait();
        (void)client.admin().list_topics({});  // what was answered before is known now
        (void)client.admin().list_topics({});  // and what would be sent for it, was
        may_send[3].get_future().wait();
        producer.send({.value = std::string(record_bytes, '.')}, fates[3].callback());
        EXPECT_THROW(producer.flush(), ClientError);
    });
    broker.serve_until_publish();
    broker.answer_oldest();
    for (std::size_t i = 0; i < 3; ++i) {
        may_send[i].set_value();
        broker.receive_publish();
    }
    broker.answer(1, Errc::record_too_large);
    broker.answer(1, Errc::sequence_out_of_order);
    may_look.set_value();
    broker.receive_metadata();
    broker.receive_metadata();
    EXPECT_EQ(broker.unanswered_batches(), 1U);  // the elder's sequence still counts
    EXPECT_EQ(fates[1].wait(), "record_too_large");
    broker.answer_oldest();
    EXPECT_EQ(fates[0].wait(), "durable");
    broker.receive_publish();
    broker.answer_oldest();
    EXPECT_EQ(fates[2].wait(), "durable");
    may_send[3].set_value();
    broker.receive_publish();
    broker.answer_oldest();
    EXPECT_EQ(fates[3].wait(), "durable");
    sender.join();
    std::vector<std::pair<int, int>> sent;
    for (const auto& batch : broker.batches()) {
        sent.emplace_back(batch.epoch, batch.base_sequence);
    }
    EXPECT_EQ(sent,
              (std::vector<std::pair<int, int>>{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 1}}));
}

TEST(Producer, AFollowerThatTheBrokerMayHaveIsNotNumberedAnewBeforeItSaysNo) {
    ScriptedBroker broker;
    std::atomic<std::size_t> acked{0};
    std::array<Fate, 2> fates;
    std::array<std::promise<void>, 2> may_send;
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = client.producer("test.event", {.batch_bytes_max = batch_bytes});
        introduce(producer, acked);
        for (std::size_t i = 0; i < fates.size(); ++i) {
            may_send[i].get_future().wait();
            producer.send({.value = std::string(record_bytes, '.')}, fates[i].callback());
        }
        EXPECT_THROW(producer.flush(), ClientError);
    });
    broker.serve_until_publish();
    broker.answer_oldest();
    for (auto& may : may_send) {
        may.set_value();
        broker.receive_publish();
    }
    broker.answer(0, Errc::record_too_large);
    broker.answer(0, Errc::timed_out);  // which says nothing
    broker.receive_publish();
    EXPECT_EQ(broker.batches().back().epoch, 0);
    EXPECT_EQ(broker.batches().back().base_sequence, 2);
    broker.answer_oldest();
    EXPECT_EQ(fates[0].wait(), "record_too_large");
    EXPECT_EQ(fates[1].wait(), "durable");
    sender.join();
}

/// A producer whose first record is acked, and then two that the broker refuses as behind a gap.
struct RefusedPair {
    ScriptedBroker broker;
    std::array<Fate, 2> fates;
    RecordPlace first;

    void run(const std::function<void()>& serve_rest) {
        std::array<std::promise<void>, 2> may_send;
        std::thread sender([&] {
            Client client{{.brokers = broker.address()}};
            auto producer = client.producer("test.event", {.batch_bytes_max = batch_bytes});
            first = producer.send({.value = "x"}).get();
            for (std::size_t i = 0; i < fates.size(); ++i) {
                may_send[i].get_future().wait();
                producer.send({.value = std::string(record_bytes, '.')}, fates[i].callback());
            }
            for (auto& fate : fates) {
                outcomes.push_back(fate.wait());
            }
        });
        broker.serve_until_publish();
        broker.answer_oldest();
        for (auto& may : may_send) {
            may.set_value();
            broker.receive_publish();
        }
        broker.answer(0, Errc::sequence_out_of_order);
        broker.answer(0, Errc::sequence_out_of_order);
        serve_rest();
        sender.join();
    }
    std::vector<std::string> outcomes;
};

TEST(Producer, GoesOnInANewEpochWhenWhatALeaderAloneHadAckedIsGone) {
    RefusedPair pair;
    pair.broker.grant({.durability = wire::Durability::leader});
    pair.run([&pair] {
        for (int i = 0; i < 2; ++i) {
            pair.broker.receive_publish();
            EXPECT_EQ(pair.broker.unanswered_batches(), 1U);  // of a new epoch the first goes alone
            pair.broker.answer_oldest();
        }
    });
    EXPECT_EQ(pair.first.durability, Durability::leader);
    EXPECT_EQ(pair.outcomes, (std::vector<std::string>{"durable", "durable"}));
    std::vector<std::pair<int, int>> sent;
    for (const auto& batch : pair.broker.batches()) {
        sent.emplace_back(batch.epoch, batch.base_sequence);
    }
    EXPECT_EQ(sent, (std::vector<std::pair<int, int>>{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}}));
}

TEST(Producer, AGapBehindWhatAMajorityHasIsAnErrorOfTheRecord) {
    RefusedPair pair;
    pair.run([&pair] {
        pair.broker.receive_publish();
        pair.broker.answer_oldest();
    });
    EXPECT_EQ(pair.first.durability, Durability::majority);
    EXPECT_EQ(pair.outcomes, (std::vector<std::string>{"sequence_out_of_order", "durable"}));
}

/// Which is no gap any more: an answer that has to wait for a slow shard comes late.
TEST(Producer, WhatIsRefusedForAnElderThatIsAckedByThenGoesOutAgain) {
    ScriptedBroker broker;
    std::array<Fate, 2> fates;
    std::array<std::promise<void>, 2> may_send;
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = client.producer("test.event", {.batch_bytes_max = batch_bytes});
        (void)producer.send({.value = "x"}).get();
        for (std::size_t i = 0; i < fates.size(); ++i) {
            may_send[i].get_future().wait();
            producer.send({.value = std::string(record_bytes, '.')}, fates[i].callback());
        }
        for (auto& fate : fates) {
            EXPECT_EQ(fate.wait(), "durable");
        }
    });
    broker.serve_until_publish();
    broker.answer_oldest();
    for (auto& may : may_send) {
        may.set_value();
        broker.receive_publish();
    }
    broker.answer_oldest();
    broker.answer(0, Errc::sequence_out_of_order);
    broker.receive_publish();
    EXPECT_EQ(broker.batches().back().epoch, 0);
    EXPECT_EQ(broker.batches().back().base_sequence, 2);
    broker.answer_oldest();
    sender.join();
}

TEST(Producer, ARecordAboveTheLimitOfItsTopicGoesAlone) {
    ScriptedBroker broker;
    broker.grant({.record_bytes_max = 1'000});
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto producer = client.producer("test.event", {.linger = std::chrono::milliseconds(100)});
        const auto ignore = [](const auto&, const auto&) {};
        for (const std::size_t bytes : {100U, 2'000U, 100U, 100U}) {
            producer.send({.value = std::string(bytes, '.')}, ignore);
        }
        producer.flush();
    });
    broker.serve_until_publish();
    broker.answer_oldest();
    while (broker.answered_batches() < 3) {
        broker.receive_publish();
        broker.answer_oldest();
    }
    sender.join();
    std::vector<std::uint32_t> counts;
    for (const auto& batch : broker.batches()) {
        counts.push_back(batch.record_count);
    }
    EXPECT_EQ(counts, (std::vector<std::uint32_t>{1, 1, 2}));
}

TEST(Producer, TwoOfOneClientDoNotShareTheirSequences) {
    ScriptedBroker broker;
    std::atomic<std::size_t> acked{0};
    std::thread sender([&] {
        Client client{{.brokers = broker.address()}};
        auto first = client.producer("test.event");
        send_records(first, 1, acked);
        first.flush();
        auto second = client.producer("test.event");
        send_records(second, 1, acked);
        second.flush();
    });
    broker.serve_until_publish();
    broker.answer_oldest();
    broker.receive_publish();
    broker.answer_oldest();
    sender.join();
    ASSERT_EQ(broker.batches().size(), 2U);
    EXPECT_NE(broker.batches()[0].producer_id, broker.batches()[1].producer_id);
    EXPECT_EQ(broker.batches()[1].base_sequence, 0);
    EXPECT_EQ(acked, 2U);
}

}  // namespace
}  // namespace millrace::client
